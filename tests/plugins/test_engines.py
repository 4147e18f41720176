"""Engines: checked against TensorFlow, cached, rejected with a message, without telemetry."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.making import create, images_of

from stackkit.api import ExtractionError, PluginError, Readiness, UsageError, WeightsError
from stackkit.api.images import read_image, squash
from stackkit_plugins import efficientnet_lite, keras_applications
from stackkit_plugins.shared.keras_network import (
    engine_table,
    engines,
    import_keras,
    selection_process,
    timing,
)
from stackkit_plugins.shared.keras_network.network import find_device
from stackkit_plugins.shared.keras_network.out_of_memory import is_out_of_memory
from stackkit_plugins.shared.keras_network.parity import TOLERANCE, largest_difference
from stackkit_plugins.shared.keras_network.selection_process import SelectionProcessError


def engine_param(name: str, *marks: pytest.MarkDecorator) -> Any:
    is_missing = engines.engine_version(name) is None
    reason = f"{name} is not installed (extra: fast)"
    return pytest.param(name, marks=[pytest.mark.skipif(is_missing, reason=reason), *marks])


ENGINES = [engine_param(name) for name in engines.CONVERTED]
ONE_ENGINE = [engine_param("openvino"), engine_param("mnn", pytest.mark.slow)]
"""For tests of code that both engines share; MNN follows with `-m slow`."""
needs_an_engine = pytest.mark.skipif(
    not any(map(engines.engine_version, engines.CONVERTED)),
    reason="no engine is installed (extra: fast)",
)
SMALL = {"weights": "random", "size": 64, "alpha": 0.25}


@pytest.fixture(scope="module")
def birds(cub_root):
    files = sorted((cub_root / "images").rglob("*.jpg"))[::31][:32]
    images = [read_image(file) for file in files]
    return lambda size: np.stack([squash(image, size) for image in images])


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    yield
    selection_process.end()


def small(**given):
    return create(keras_applications, "mobilenet", **{**SMALL, **given})


@dataclass(frozen=True)
class Prepared:
    """A managed folder in which one process has set up engines, and what it converted for each."""

    home: Path
    conversions: list[set[tuple[str, int, int]]]


@pytest.fixture(scope="module")
def prepared(birds, tmp_path_factory) -> Prepared:
    """With the engine of the table, and with a requested one at two batch sizes."""
    home = tmp_path_factory.mktemp("prepared")
    conversions = []
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("STACKKIT_HOME", str(home))
        settings = [("auto", 0), ("openvino", 0), ("openvino", 4)]  # 0: as many as the engine prefers
        for engine, batch_size in settings if engines.engine_version("openvino") else settings[:1]:
            small(engine=engine, batch_size=batch_size).prepare(birds(64), print)
            states = [(file.name, file.stat()) for file in home.rglob("network.*")]
            conversions.append({(name, state.st_mtime_ns, state.st_ino) for name, state in states})
        selection_process.end()
    return Prepared(home, conversions)


@pytest.fixture
def prepared_home(prepared, home) -> Path:
    """This test's managed folder, with what was set up already."""
    return shutil.copytree(prepared.home, home, dirs_exist_ok=True)


def prepare(backbone, images) -> tuple[Readiness, list[str]]:
    lines: list[str] = []
    return backbone.prepare(images, lines.append), lines


@pytest.mark.parametrize("engine", ONE_ENGINE)
@pytest.mark.parametrize(
    ("plugin", "name", "given"),
    [
        (efficientnet_lite, "efficientnet-lite0", {}),
        pytest.param(
            keras_applications, "resnet50", {"weights": "random", "size": 64}, marks=pytest.mark.slow
        ),
    ],
)
def test_an_engine_gives_tensorflows_features_for_real_birds(engine, plugin, name, given, birds):
    reference = create(plugin, name, **given)
    fast = create(plugin, name, engine=engine, **given)
    images = birds(reference.image_size)
    readiness = fast.prepare(images[:9], print)
    assert readiness.settings["engine"] == engine
    assert readiness.settings["engine_version"] == engines.engine_version(engine)
    found, expected = fast.extract(images), reference.extract(images)
    assert largest_difference(found, expected) <= TOLERANCE
    assert fast.revision == reference.revision


@pytest.mark.skipif(engines.engine_version("mnn") is None, reason="mnn is not installed (extra: fast)")
@pytest.mark.parametrize(
    "name",
    [
        "mobilenet",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in (
                "vgg16",
                "resnet50",
                "resnet50-v2",
                "xception",
                "densenet121",
                "mobilenet-v2",
                "mobilenet-v3-small",
                "nasnet-mobile",
                "efficientnet-b0",
            )
        ),
    ],
)
def test_mnn_gives_tensorflows_features_of_plain_and_depthwise_convolutions(name, birds):
    backbone = create(keras_applications, name, weights="random", size=96, engine="mnn")
    assert backbone.selector(print).select(birds(96)[:8]).difference <= TOLERANCE


@pytest.mark.parametrize("engine", ONE_ENGINE)
def test_a_row_depends_only_on_its_image_and_the_input_is_not_modified(engine, prepared_home):
    images = images_of(64)
    backbone = small(engine=engine, batch_size=4)
    backbone.prepare(images, print)
    whole = backbone.extract(images)
    alone = np.concatenate([backbone.extract(images[i : i + 1]) for i in range(len(images))])
    assert largest_difference(alone, whole) <= TOLERANCE
    assert np.array_equal(images, images_of(64))
    assert backbone.extract(images[:0]).shape == (0, 256)


@needs_an_engine
def test_auto_sets_up_the_engine_of_the_table_once_and_caches_it(birds, home, tmp_path, monkeypatch):
    """The other process imports nothing from the current folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("json.py", "openvino.py", "_tools.py", "numpy.py"):
        (tmp_path / name).write_text("raise SystemExit('imported from the current folder')")
    samples = birds(64)
    first, lines = prepare(small(), samples)
    engine = engine_table.engines_for("mobilenet")[0]
    assert lines == [f"mobilenet: setting up {engine} once on this machine; the result is cached"]
    assert first.settings["engine"] == engine
    assert first.images_per_s
    again, lines = prepare(small(), samples)
    assert again == first
    (line,) = lines
    assert line.startswith(f"mobilenet: using {engine}, selected on 20")
    assert str(home) in line
    assert small().extract(samples).shape == (32, 256)


def test_the_table_prefers_mnn_for_plain_convolutions_and_openvino_for_the_rest(monkeypatch):
    monkeypatch.setattr(engine_table, "engine_version", lambda name: "1")
    assert engine_table.engines_for("vgg19") == ["mnn", "openvino"]
    assert engine_table.engines_for("efficientnet-lite0") == ["openvino", "mnn"]
    monkeypatch.setattr(engine_table, "engine_version", lambda name: "1" if name == "mnn" else None)
    assert engine_table.engines_for("efficientnet-lite0") == ["mnn"]


def test_engines_are_timed_only_where_that_pays_off_tenfold():
    assert timing.pays_off(trial_s=1, images=111, images_per_s=1)
    assert not timing.pays_off(trial_s=1, images=109, images_per_s=1)
    for missing in ({"trial_s": 0}, {"images": None}, {"images_per_s": None}):
        assert not timing.pays_off(**{"trial_s": 1, "images": 10**9, "images_per_s": 1, **missing})


@needs_an_engine
def test_a_long_extraction_times_all_engines_once_even_after_a_short_one(birds, home):
    samples, chosen = birds(64), engine_table.engines_for("mobilenet")[0]
    backbone = small()
    backbone.expect(100)
    backbone.prepare(samples, print)
    backbone.expect(10**9)
    _, lines = prepare(backbone, samples)
    assert lines[:2] == [
        f"mobilenet: setting up {chosen} once on this machine; the result is cached",
        "mobilenet: timing engines, since there are 1,000,000,000 images to compute",
    ]
    speeds = lines[-1]
    assert speeds.startswith(f"mobilenet: images/s with {chosen} ")
    installed = [name for name in engines.CONVERTED if engines.engine_version(name)]
    for engine in (*installed, "tensorflow"):
        assert f"{engine} " in speeds, f"{engine} must not be rejected: {lines}"
    _, lines = prepare(backbone, samples)
    assert len(lines) == 1, "what was timed once is not timed again"


@needs_an_engine
def test_one_process_sets_up_engines_for_all_networks_and_ends_with_the_first_features(birds, tmp_path):
    """Also after an error, which keeps its type."""
    (tmp_path / "junk.h5").write_bytes(b"no weights")
    networks = [small(seed=seed) for seed in (0, 1)]
    for network in networks:
        network.expect(100)
    process = selection_process._running
    for network in networks:
        network.prepare(birds(64), print)
        assert selection_process._running is process
    with pytest.raises(WeightsError, match=r"junk\.h5"):
        small(weights=str(tmp_path / "junk.h5")).prepare(birds(64), print)
    assert selection_process._running is process
    networks[0].extract(birds(64))
    assert selection_process._running is None
    assert not process.is_alive


@needs_an_engine
def test_nothing_is_started_for_few_images_or_for_an_engine_that_is_cached(prepared, home):
    small().expect(31)
    assert selection_process._running is None
    shutil.copytree(prepared.home, home, dirs_exist_ok=True)
    small().expect(100)
    assert selection_process._running is None


@needs_an_engine
def test_a_job_with_few_images_is_not_delayed_by_another_engine(home):
    readiness, lines = prepare(small(), images_of(64))
    assert readiness.settings["engine"] == "tensorflow"
    assert readiness.images_per_s is None
    assert lines == []
    assert not list(home.rglob("trials.json"))


@needs_an_engine
def test_an_engine_with_different_features_is_rejected(monkeypatch, birds):
    """The engine is real, but it gets another network, like from a wrong conversion."""
    backbone = small()
    selector = backbone.selector(print)
    other = small(seed=1)
    engine = next(filter(engines.engine_version, engines.CONVERTED))
    network = selector.network()
    monkeypatch.setattr(network, "frozen", other.selector(print).network().frozen)
    lines: list[str] = []
    selection = replace(selector, report=lines.append).select(birds(64))
    assert selection.engine == "tensorflow"
    expected = f"mobilenet: engine {engine} rejected: its features differ from TensorFlow's by"
    assert [line for line in lines if line.startswith(expected)]
    requested = replace(backbone.definition.settings, engine=engine)
    definition = replace(backbone.definition, settings=requested)
    with pytest.raises(
        ExtractionError, match=r"rejected: .* differ .*; use engine=tensorflow or engine=auto"
    ):
        replace(selector, definition=definition).select(birds(64))


@pytest.mark.parametrize("engine", ONE_ENGINE)
def test_a_damaged_converted_network_is_converted_again(engine, birds, home, prepared):
    samples = birds(64)
    if engine == "openvino":  # otherwise it is set up here
        shutil.copytree(prepared.home, home, dirs_exist_ok=True)
    first = small(engine=engine)
    first.prepare(samples, print)
    selector = first.selector(print)
    (file,) = [f for f in home.rglob("network.*") if f.suffix in {".bin", ".mnn"}]
    whole = file.read_bytes()
    for damaged in (whole[:-1], b"", bytes([whole[0] ^ 1]) + whole[1:]):
        assert selector.recalled()
        file.write_bytes(damaged)
        assert selector.recalled() is None
        file.write_bytes(whole)
    file.unlink()
    again = small(engine=engine)
    _, lines = prepare(again, samples)
    assert lines == [f"mobilenet: setting up {engine} once on this machine; the result is cached"]
    assert np.array_equal(again.extract(samples), first.extract(samples))


def test_a_damaged_cache_only_costs_another_selection(home):
    backbone = small(engine="tensorflow", batch_size=8)
    samples = np.concatenate([images_of(64)] * 6)[:32]
    first, _ = prepare(backbone, samples)
    (file,) = home.rglob("trials.json")
    intact = file.read_text()
    for text in ("", "[1, 2]", '{"x": 3}', "{", intact.replace("batch_size", "batch")):
        assert backbone.selector(print).recalled()
        file.write_text(text)
        assert backbone.selector(print).recalled() is None
        assert prepare(small(engine="tensorflow", batch_size=8), samples)[0].settings == first.settings


@needs_an_engine
def test_if_the_cache_is_not_writable_tensorflow_is_used_and_a_line_tells_why(birds, home):
    (home / "engines").write_text("a file where the folder should be")
    readiness, lines = prepare(small(), birds(64))
    assert readiness.settings["engine"] == "tensorflow"
    assert lines[1:]
    assert all("rejected: [Errno" in line for line in lines if "setting up" not in line)


@needs_an_engine
def test_a_crash_of_the_other_process_does_not_stop_the_run(monkeypatch, birds, home):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    readiness, lines = prepare(small(), birds(64))
    assert readiness.settings["engine"] == "tensorflow"
    assert lines == ["mobilenet: setting up an engine ended with exit code 1; using tensorflow"]
    assert not list(home.rglob("trials.json"))
    engine = next(filter(engines.engine_version, engines.CONVERTED))
    with pytest.raises(SelectionProcessError, match="ended with exit code 1"):
        small(engine=engine).prepare(birds(64), print)


@needs_an_engine
def test_a_crash_while_engines_are_timed_keeps_the_one_that_was_selected(
    monkeypatch, birds, prepared_home
):
    backbone, samples = small(), birds(64)
    first = backbone.prepare(samples, print)
    backbone.expect(10**9)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    readiness, lines = prepare(backbone, samples)
    assert readiness == first
    engine = first.settings["engine"]
    assert lines[-1] == f"mobilenet: setting up an engine ended with exit code 1; using {engine}"


@needs_an_engine
def test_a_hanging_process_is_killed_with_all_its_processes(monkeypatch, birds, tmp_path):
    """A real process that starts another one and waits forever."""
    (tmp_path / "sitecustomize.py").write_text(
        "import subprocess, time\n"
        f"child = subprocess.Popen(['sleep', '1000'])\n"
        f"open(r'{tmp_path / 'child'}', 'w').write(str(child.pid))\n"
        "time.sleep(1000)"
    )
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.setattr(selection_process, "_LIMIT_S", 3)
    readiness, lines = prepare(small(), birds(64))
    assert readiness.settings["engine"] == "tensorflow"
    assert lines == ["mobilenet: setting up an engine took more than 3 s; using tensorflow"]
    child = Path("/proc", (tmp_path / "child").read_text(), "cmdline")
    assert _read(child) == b""
    engine = next(filter(engines.engine_version, engines.CONVERTED))
    with pytest.raises(SelectionProcessError, match="took more than 3 s"):
        small(engine=engine).prepare(birds(64), print)


@pytest.mark.skipif(engines.engine_version("mnn") is None, reason="mnn is not installed")
def test_a_hanging_converter_is_killed_and_its_engine_rejected(monkeypatch, tmp_path):
    mnn = engines.engine("mnn")
    monkeypatch.setattr(mnn, "_CONVERTER", "import time; time.sleep(1000)")
    monkeypatch.setattr(mnn, "_LIMIT_S", 1)
    with pytest.raises(ExtractionError, match="its converter did not finish within 1 s"):
        mnn.convert(tmp_path / "graph.pb", tmp_path)


def test_an_engine_that_is_not_installed_is_refused_with_the_pip_command(monkeypatch):
    monkeypatch.setattr(
        "stackkit_plugins.shared.keras_network.options.engine_version", lambda name: None
    )
    with pytest.raises(
        PluginError, match=r"engine=mnn is not installed; run: pip install 'stackkit\[fast\]'"
    ):
        small(engine="mnn")


@pytest.mark.parametrize(
    "given",
    [
        {"engine": "openvino", "device": "gpu"},
        {"engine": "mnn", "precision": "mixed"},
        {"precision": "mixed", "device": "cpu"},
    ],
)
def test_settings_that_contradict_each_other_are_refused(given):
    with pytest.raises(UsageError, match="mobilenet: "):
        small(**given)


def test_mixed_precision_has_another_revision_and_requires_a_gpu():
    if not (import_keras() and find_device("gpu")):
        with pytest.raises(UsageError, match="precision=mixed requires a GPU, but TensorFlow sees none"):
            small(precision="mixed").extract(images_of(64))
    assert small(precision="mixed").revision == small().revision + ";precision=mixed"


def test_a_missing_gpu_is_an_error(home):
    if import_keras() and find_device("gpu"):
        pytest.skip("TensorFlow sees a GPU")
    with pytest.raises(UsageError, match="device=gpu, but TensorFlow sees no GPU; use device=cpu"):
        small(device="gpu").prepare(images_of(64), print)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["tensorflow", *ENGINES])
def test_the_number_of_threads_is_respected(engine, tmp_path):
    """Measured as CPU time of the process' threads per second."""
    code = (
        "import os, threading, time, numpy as np\n"
        "from stackkit_plugins.keras_applications.backbone import MobileNet\n"
        "b = MobileNet(weights='random', size=128, pooling='avg', seed=0, alpha=0.25, "
        f"engine='{engine}', threads=1, device='cpu')\n"
        "images = np.zeros((32, 128, 128, 3), np.uint8)\n"
        "b.prepare(images[:3], print); b.extract(images)\n"
        "def busy():\n"
        "    total = 0\n"
        "    for t in os.listdir('/proc/self/task'):\n"
        "        times = open(f'/proc/self/task/{t}/stat').read().rsplit(')')[1].split()[11:13]\n"
        "        total += sum(map(int, times))\n"
        "    return total / os.sysconf('SC_CLK_TCK')\n"
        "start, before = time.monotonic(), busy()\n"
        "while time.monotonic() - start < 2: b.extract(images)\n"
        "print('cores', (busy() - before) / (time.monotonic() - start))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    cores = float(done.stdout.split("cores ")[1])
    assert cores < 1.3, done.stdout


def test_a_number_of_threads_that_tensorflow_cannot_change_is_recorded_or_refused():
    code = (
        "import numpy as np\n"
        "from stackkit_plugins.keras_applications.backbone import MobileNet\n"
        "def work(engine, **given):\n"
        "    b = MobileNet(weights='random', size=64, pooling='avg', seed=0, alpha=0.25,\n"
        "                  engine=engine, **given)\n"
        "    return b.prepare(np.zeros((32, 64, 64, 3), np.uint8), print).settings['threads']\n"
        "print(work('tensorflow', threads=1), work('tensorflow'))\n"
        "work('auto', threads=2)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout == "1 1\n", "threads=2 must be refused before an engine is set up"
    assert "UsageError: threads=2: TensorFlow already runs on another number of threads" in done.stderr


@pytest.mark.slow
def test_two_numbers_of_threads_in_one_process_are_refused():
    code = (
        "from stackkit_plugins.shared.keras_network import import_keras\n"
        "import_keras(threads=1); import_keras(threads=1); import_keras(); import_keras(threads=2)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "UsageError: threads=2: TensorFlow already runs on another number of threads" in done.stderr


@pytest.mark.parametrize("engine", ONE_ENGINE)
def test_engines_open_no_connection_leave_no_files_at_home_and_spare_tensorflow(engine, tmp_path):
    """Every Python-level connection or name lookup raises, here and in the selecting process.

    Only that one imports TensorFlow.
    """
    guard = tmp_path / "guard"
    guard.mkdir()
    (guard / "sitecustomize.py").write_text(
        "import os, sys\n"
        "def refuse(event, args):\n"
        "    if event in ('socket.connect', 'socket.getaddrinfo', 'socket.sendto', 'urllib.Request'):\n"
        "        open(os.environ['SPOKE'], 'a').write(f'{event} {args}\\n')\n"
        "        raise RuntimeError('no network')\n"
        "sys.addaudithook(refuse)\n"
    )
    code = (
        "import sys, numpy as np\n"
        "from stackkit_plugins.keras_applications.backbone import MobileNet\n"
        "b = MobileNet(weights='random', size=64, pooling='avg', seed=0, alpha=0.25,"
        f" engine='{engine}')\n"
        "images = np.random.default_rng(0).integers(0, 256, (32, 64, 64, 3)).astype(np.uint8)\n"
        "print(b.prepare(images, print).settings['engine'], b.extract(images).shape)\n"
        "unneeded = ('openvino_telemetry', 'MNN.tools', 'tensorflow')\n"
        "loaded = [m for m in unneeded if sys.modules.get(m)]\n"
        "print('loaded', loaded)"
    )
    person = tmp_path / "person"
    person.mkdir()
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(guard), os.environ.get("PYTHONPATH", "")]),
        "SPOKE": str(tmp_path / "spoke"),
        "HOME": str(person),
        "STACKKIT_HOME": str(tmp_path / "kept"),
    }
    environment.pop("CI", None)  # OpenVINO's telemetry is off in CI anyway
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert f"{engine} (32, 256)" in done.stdout
    assert "loaded []" in done.stdout
    assert not (tmp_path / "spoke").exists()
    left = " ".join(str(file.relative_to(person)).lower() for file in person.rglob("*"))
    assert not re.search("intel|openvino|mnn|telemetry", left), left


@pytest.mark.slow
@pytest.mark.skipif(engines.engine_version("openvino") is None, reason="openvino is not installed")
def test_if_memory_runs_out_the_batch_is_halved_and_every_row_is_correct():
    """With a real memory limit that is too small for 128 images at once.

    OpenVINO raises an error. TensorFlow on a CPU and MNN end the process in some kernels.
    """
    code = (
        "import resource, numpy as np\n"
        "from stackkit_plugins.keras_applications.backbone import MobileNet\n"
        "def make(n): return MobileNet(weights='random', size=224, pooling='avg', seed=0, alpha=1.0,\n"
        "                              engine='openvino', batch_size=n)\n"
        "images = np.random.default_rng(0).integers(0, 256, (128, 224, 224, 3)).astype(np.uint8)\n"
        "few = make(2)\n"
        "few.prepare(images[:3], print)\n"
        "expected = few.extract(images)\n"
        "tight = make(128)\n"
        "print(tight.prepare(images[:3], print).batch_size)\n"
        "tight.extract(images[:2])\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 400 * 2**20,) * 2)\n"
        "found = tight.extract(images)\n"
        "difference = np.linalg.norm(found - expected, axis=1) / np.linalg.norm(expected, axis=1)\n"
        "print('largest difference', difference.max())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "mobilenet: out of memory; continuing with 64 images per pass" in done.stdout, done.stderr
    assert float(done.stdout.split("largest difference")[1]) <= TOLERANCE


@pytest.mark.slow
@needs_an_engine
def test_a_reduced_batch_size_is_cached_for_later_runs(monkeypatch, birds):
    """The engine is real; only its MemoryError is simulated."""
    engine = next(filter(engines.engine_version, engines.CONVERTED))
    backbone, samples = small(engine=engine), birds(64)
    selector = backbone.selector(print)
    backbone.prepare(samples, print)
    first = replace(selector.recalled(), batch_size=32)
    selector.cache.remember(backbone.definition.settings, first)
    backbone.prepare(samples, print)
    compute = backbone._compute

    def only_eight(images):
        if len(images) > 8:
            raise MemoryError
        return compute(images)

    monkeypatch.setattr(backbone, "_compute", only_eight)
    found = backbone.extract(samples)
    later = small(engine=engine)
    assert later.prepare(samples, print).settings["batch_size"] == 8
    assert largest_difference(later.extract(samples), found) <= TOLERANCE


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_a_network_releases_its_activations_when_another_one_computes(engine, tmp_path):
    code = (
        "import numpy as np\n"
        "from stackkit_plugins.keras_applications.backbone import MobileNet\n"
        "def make(seed, size): return MobileNet(weights='random', size=size, pooling='avg', seed=seed,\n"
        f"    alpha=0.25, engine='{engine}', batch_size=64)\n"
        "def images(size): return np.zeros((64, size, size, 3), np.uint8)\n"
        "def mb(): return int(open('/proc/self/statm').read().split()[1]) * 4096 / 1e6\n"
        "large, little = make(0, 256), make(1, 32)\n"
        "for b in (large, little): b.prepare(images(b.image_size)[:2], print)\n"
        "little.extract(images(32)); first = large.extract(images(256)); full = mb()\n"
        "little.extract(images(32)); print('given back', full - mb())\n"
        "assert np.array_equal(large.extract(images(256)), first)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split("given back")[1]) > 64  # one layer: 64 x 128 x 128 x 16 x 4 bytes


def test_only_missing_memory_halves_the_batch():
    assert is_out_of_memory(MemoryError())
    assert is_out_of_memory(RuntimeError("Exception from src/core: std::bad_alloc"))
    assert not is_out_of_memory(ValueError("out of memory"))
    assert not is_out_of_memory(RuntimeError("shapes differ"))


@needs_an_engine
def test_other_settings_reuse_the_converted_network(prepared):
    first, *others = prepared.conversions
    assert first
    assert others in ([], [first, first])


@pytest.mark.slow
@needs_an_engine
def test_a_cached_engine_that_no_longer_loads_is_set_up_again(monkeypatch, birds, home):
    engine = next(filter(engines.engine_version, engines.CONVERTED))
    small(engine=engine).prepare(birds(64), print)
    real = engines.engine(engine).load
    calls: list[int] = []

    def load(*folder, **given):
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("could not create a primitive")
        return real(*folder, **given)

    monkeypatch.setattr(engines.engine(engine), "load", load)
    readiness, lines = prepare(small(engine=engine), birds(64))
    assert readiness.settings["engine"] == engine
    assert (
        lines[0]
        == f"mobilenet: {engine} no longer loads (could not create a primitive); setting it up again"
    )


@needs_an_engine
def test_an_engine_that_is_wrong_at_the_selected_batch_size_is_rejected(birds):
    engine = next(filter(engines.engine_version, engines.CONVERTED))
    selector = small(engine=engine, batch_size=32).selector(print)
    images = birds(64).astype(np.float32)

    def wrong_beyond_8(batch):
        features = selector.network().compute(batch)
        features[8:] *= 1.001
        return features

    selection = replace(selector.on_tensorflow(), engine=engine)
    with pytest.raises(ExtractionError, match=r"differ from TensorFlow's by 1e-03"):
        selector._confirmed(selection, wrong_beyond_8, images)


@needs_an_engine
def test_ctrl_c_while_an_engine_is_set_up_ends_it_and_leaves_no_process(home):
    code = (
        "import numpy as np\n"
        "from stackkit_plugins.keras_applications.backbone import MobileNet\n"
        "b = MobileNet(weights='random', size=224, pooling='avg', seed=0, alpha=1.0)\n"
        "try: b.prepare(np.zeros((32, 224, 224, 3), np.uint8), lambda line: print('go', flush=True))\n"
        "except KeyboardInterrupt: print('interrupted', flush=True)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "go\n"
        os.killpg(process.pid, signal.SIGINT)  # like a terminal: the whole foreground group
        output, errors = process.communicate(timeout=20)
    assert (output, errors) == ("interrupted\n", "")
    assert not list(home.rglob(".converting-*"))
    # The selecting process has a session of its own and may have started a converter. Both would have
    # this test's STACKKIT_HOME; other tests may run at the same time.
    left = [path for path in Path("/proc").glob("[0-9]*/environ") if bytes(home) in _read(path)]
    assert not left


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # the process has ended
        return b""
