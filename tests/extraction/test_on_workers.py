"""Features that workers in other processes compute: the same ones, each once, whatever happens there."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest
from support.toys_on_workers import (
    ForkedWorkers,
    backbones_of,
    dataset_in,
    images_computed,
    paint_red,
    plugin_in,
)

from stackkit.api.errors import ExtractionError, ImageError, StoreError
from stackkit.api.reporter import SilentReporter
from stackkit.execution.tasks import AHEAD
from stackkit.extraction.extract import extract, fingerprints
from stackkit.extraction.feature_set import feature_sets
from stackkit.extraction.network_seconds import network_seconds
from stackkit.store import FeatureFile, FeatureStore
from stackkit.store.metadata import read_contents


@pytest.fixture(scope="module", autouse=True)
def plugin(tmp_path_factory):
    with plugin_in(tmp_path_factory.mktemp("plugin")):
        yield


@pytest.fixture(scope="module")
def processes(plugin):
    executor = ForkedWorkers(2)
    yield executor
    executor.close()


@pytest.fixture
def photographs(bird_folder, tmp_path):
    """18 photographs that may be damaged."""
    root = tmp_path / "photographs"
    for path in sorted(bird_folder.rglob("*.jpg")):
        (root / path.parent.name).mkdir(parents=True, exist_ok=True)
        (root / path.parent.name / path.name).write_bytes(path.read_bytes())
    return root


@pytest.fixture
def log(tmp_path):
    (tmp_path / "log").mkdir()
    return tmp_path / "log"


@pytest.fixture
def small_tasks(monkeypatch):
    """Tasks of at most 4 images."""
    monkeypatch.setattr("stackkit.extraction.on_workers.task_size.MOST_IMAGES", 4)
    monkeypatch.setattr("stackkit.extraction.on_workers.session.SAMPLE_IMAGES", 4)
    for module in ("preparation", "ready_networks"):
        monkeypatch.setattr(f"stackkit.extraction.{module}.SAMPLE_IMAGES", 4)


class Recorder(SilentReporter):
    """Keeps messages, and counts progress."""

    def __init__(self):
        self.messages, self.totals, self.done = [], {}, {}

    def start(self, task, total, done=0, unit="items"):
        self.totals[task], self.done[task] = total, done

    def advance(self, task, count):
        self.done[task] += count

    def message(self, text):
        self.messages.append(text)


def photograph(root, number):
    return sorted(root.rglob("*.jpg"))[number]


def run(root, store, texts, executor=None, *, strict=False, reporter=None):
    """The summary of an extraction, and all features by label with whether each row is stored."""
    dataset, named = dataset_in(root), backbones_of(*texts)
    reporter = reporter or SilentReporter()
    rows, _ = fingerprints("photographs", dataset, reporter)
    summary = extract(dataset, rows, named, store, reporter, strict=strict, executor=executor)
    return summary, stored(store, rows, named)


def stored(store, rows, named):
    found = {}
    for one in feature_sets(named):
        with store.open(one.key, rows, {}, create=False) as file:
            found[one.label] = file.read(), file.intact()
    return found


def same(found, expected):
    assert found.keys() == expected.keys()
    for label, (features, intact) in expected.items():
        assert np.array_equal(found[label][1], intact), label
        assert np.array_equal(found[label][0], features), label


def test_joined_backbones_views_and_boxes_are_computed_as_in_one_process(
    photographs, tmp_path, processes
):
    texts = ["quarters:pooling=mean+max", "quarters:views=mirror+crops+attention"]
    photograph(photographs, 3).write_bytes(b"no image")
    cut = photograph(photographs, 9)
    content = cut.read_bytes()
    cut.write_bytes(content[: len(content) * 3 // 4] + b"\xff\xd9")
    here, expected = run(photographs, FeatureStore(tmp_path / "here", "float16"), texts)
    recorder = Recorder()
    store = FeatureStore(tmp_path / "there", "float16")
    there, found = run(photographs, store, texts, processes, reporter=recorder)
    same(found, expected)
    assert there == here, "with failed and damaged images, and numbers of rows"
    assert [one.id for one in there.suspect] == ["/".join(cut.parts[-2:])]
    assert recorder.done == recorder.totals
    assert sorted(recorder.messages) == [
        f"quarters with {name}: ready" for name in ("box", "max", "mean")
    ]
    again, _ = run(photographs, store, texts, processes)
    assert set(again.computed.values()) == {0}
    dataset, named = dataset_in(photographs), backbones_of(*texts)
    rows, _ = fingerprints("photographs", dataset, SilentReporter())
    assert None not in network_seconds(feature_sets(named), 17, rows, store), "the time was measured"
    (origin,) = read_contents(store.path(named[0].key, rows)).provenance
    assert origin["runtime"] == {"engine": "toy"}


def test_networks_are_prepared_later_if_no_sample_image_can_be_decoded(
    photographs, tmp_path, processes, monkeypatch
):
    monkeypatch.setattr("stackkit.extraction.on_workers.computer.SAMPLES", 2)
    for number in (0, 1):
        photograph(photographs, number).write_bytes(b"no image")
    texts = ["quarters:pooling=mean+max,views=attention"]
    here, expected = run(photographs, FeatureStore(tmp_path / "here"), texts)
    store = FeatureStore(tmp_path / "there")
    there, found = run(photographs, store, texts, processes)
    same(found, expected)
    assert there == here
    dataset, named = dataset_in(photographs), backbones_of(*texts)
    rows, _ = fingerprints("photographs", dataset, SilentReporter())
    (origin,) = read_contents(store.path(named[0].key, rows)).provenance
    assert origin["component"]["name"] == "worker_toys/quarters"
    with pytest.raises(ExtractionError, match="returns other features for the same image"):
        run(photographs, store, ["mixing"], processes)


def test_rows_that_were_stored_before_the_disk_failed_are_not_computed_again(
    photographs, tmp_path, processes, small_tasks, monkeypatch, log
):
    store, real, text = FeatureStore(tmp_path / "s"), FeatureFile.write, f"quarters:batch=4,log={log}"
    calls = []

    def failing(self, rows, features):
        calls.append(rows)
        if len(calls) == 3:
            raise StoreError("the disk is full")
        real(self, rows, features)

    monkeypatch.setattr(FeatureFile, "write", failing)
    with pytest.raises(StoreError, match="the disk is full"):
        run(photographs, store, [text], processes)
    monkeypatch.setattr(FeatureFile, "write", real)
    stored_before = sum(map(len, calls)) - len(calls[2])
    summary, found = run(photographs, store, [text], processes)
    assert summary.reused == {backbones_of(text)[0].label: stored_before}
    assert set(summary.computed.values()) == {18 - stored_before}
    assert all(intact.all() for _, intact in found.values())


def test_strict_refuses_the_first_image_that_fails_and_a_replaced_image_fails(
    photographs, tmp_path, processes
):
    dataset, named = dataset_in(photographs), backbones_of("quarters")
    rows, _ = fingerprints("photographs", dataset, SilentReporter())
    paint_red(photograph(photographs, 5))
    arguments = (dataset, rows, named)
    with pytest.raises(ImageError, match=r"replaced during this run.*\(--strict stops here\)"):
        extract(
            *arguments, FeatureStore(tmp_path / "s"), SilentReporter(), strict=True, executor=processes
        )
    summary = extract(*arguments, FeatureStore(tmp_path / "t"), SilentReporter(), executor=processes)
    assert [one.id for one in summary.failed] == [dataset.samples[5].id]
    assert summary.computed == {"quarters": 17}


def test_a_backbone_that_mixes_images_is_refused_before_anything_is_stored(
    photographs, tmp_path, processes
):
    with pytest.raises(ExtractionError, match="returns other features for the same image"):
        run(photographs, FeatureStore(tmp_path / "s"), ["mixing"], processes)
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("number", [0, 8], ids=["a sample image", "another image"])
def test_an_image_that_kills_its_worker_is_listed_and_all_others_are_stored(
    photographs, tmp_path, processes, small_tasks, number
):
    paint_red(photograph(photographs, number))
    summary, found = run(
        photographs, FeatureStore(tmp_path / "s"), ["quarters:on_red=kill,batch=4"], processes
    )
    (failed,) = summary.failed
    assert failed.id == "/".join(photograph(photographs, number).parts[-2:])
    assert failed.reason.startswith("ended the worker that computed it (")
    (_, intact), *_ = found.values()
    assert np.flatnonzero(~intact).tolist() == [number]


def test_a_task_that_fails_once_is_tried_again_and_one_that_always_fails_is_reported_at_the_end(
    photographs, tmp_path, processes, small_tasks, log
):
    paint_red(photograph(photographs, 8))
    store = FeatureStore(tmp_path / "s")
    summary, _ = run(photographs, store, [f"quarters:on_red=once,batch=4,log={log}"], processes)
    assert list(summary.computed.values()) == [18]
    assert (log / "raised").exists()
    dataset, named = dataset_in(photographs), backbones_of("quarters:on_red=raise,batch=4")
    rows, _ = fingerprints("photographs", dataset, SilentReporter())
    with pytest.raises(ExtractionError) as caught:
        extract(dataset, rows, named, store, SilentReporter(), executor=processes)
    assert "RuntimeError: red is not a colour" in str(caught.value)
    assert "3 attempts to compute the 4 images from" in str(caught.value)
    ((_, intact),) = stored(store, rows, named).values()
    assert intact.sum() == 14, "all other tasks"


class Gate:
    """Passes tasks on to other workers, and lets a test look at each before it begins."""

    in_process = False

    def __init__(self, executor, look=lambda begun: None):
        self.executor, self.look, self.begun = executor, look, 0
        self.n_workers, self.threads = executor.n_workers, executor.threads

    def submit(self, function, /, *arguments) -> Future:
        self.begun += 1
        self.look(self.begun)
        return self.executor.submit(function, *arguments)

    def share(self, value):
        return self.executor.share(value)

    def on_each_worker(self, function, /, *arguments):
        return self.executor.on_each_worker(function, *arguments)


SCRIPT = """
import sys
from pathlib import Path

from support.toys_on_workers import backbones_of, dataset_in

from stackkit.api.reporter import SilentReporter
from stackkit.extraction.extract import extract, fingerprints
from stackkit.extraction.on_workers import task_size
from stackkit.store import FeatureStore
from stackkit_plugins.processes.executor import ProcessesExecutor

if __name__ == "__main__":
    folder, photographs, text = sys.argv[1:]
    task_size.MOST_IMAGES = 32
    dataset = dataset_in(Path(photographs))
    rows, _ = fingerprints("photographs", dataset, SilentReporter())
    store, executor = FeatureStore(Path(folder)), ProcessesExecutor(workers=2)
    try:
        extract(dataset, rows, backbones_of(text), store, SilentReporter(), executor=executor)
    finally:
        executor.close()
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_after_ctrl_c_or_a_kill_nothing_that_was_stored_is_computed_again(
    bird_folder, tmp_path, log, number
):
    many = tmp_path / "many"
    for copy in range(40):
        for path in sorted(bird_folder.rglob("*.jpg")):
            (many / path.parent.name).mkdir(parents=True, exist_ok=True)
            content = path.read_bytes() + bytes([copy])  # another fingerprint, the same pixels
            (many / path.parent.name / f"{copy}-{path.name}").write_bytes(content)
    script, store, text = tmp_path / "script.py", tmp_path / "s", f"quarters:seconds=0.3,log={log}"
    script.write_text(SCRIPT, encoding="utf-8")
    search = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
    arguments = [sys.executable, script, store, many, text]
    child = subprocess.Popen(arguments, env={**os.environ, "PYTHONPATH": search})
    deadline = time.monotonic() + 60
    while images_computed(log) < 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    child.send_signal(number)
    assert child.wait(60) != 0
    computed = images_computed(log)
    summary, found = run(many, FeatureStore(store), [text], ForkedWorkers(2))
    (reused,), (((_, intact)),) = summary.reused.values(), found.values()
    assert intact.all()
    assert reused >= (computed - 100 if number == signal.SIGINT else 64), "those in flight are taken"
    assert sum(summary.computed.values()) == 720 - reused


def test_a_slow_disk_holds_back_the_workers(photographs, tmp_path, processes, small_tasks, monkeypatch):
    for module in ("preparation", "ready_networks", "on_workers.session"):
        monkeypatch.setattr(f"stackkit.extraction.{module}.SAMPLE_IMAGES", 1)
    written, most, lock = [0], [0], threading.Lock()
    real = FeatureFile.write

    def slow(self, rows, features):
        time.sleep(0.02)
        real(self, rows, features)
        with lock:
            written[0] += 1

    def look(begun):
        with lock:
            most[0] = max(most[0], begun - 1 - written[0])  # the first task prepares a worker

    monkeypatch.setattr(FeatureFile, "write", slow)
    run(photographs, FeatureStore(tmp_path / "s"), ["quarters:batch=1"], Gate(processes, look))
    assert written[0] > 4
    waiting = AHEAD + 2  # in the writer, and in hand
    assert most[0] <= AHEAD * processes.n_workers + waiting
