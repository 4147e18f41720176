"""Ctrl-C in a real process: it stops with a message and keeps what is finished."""

import signal
import subprocess
import sys
from pathlib import Path
from threading import Timer

import pytest
from support.commands import Command, Outcome, chosen, photographs, variables
from support.installing import Site

from stackkit.experiment.evaluation import STOPPING_FITS
from stackkit.utils.interrupts import IN_FLIGHT

SLOW = """
    import sys, time
    import numpy as np
    from stackkit.api import AggregatorSpec, BackboneSpec, LearnerSpec, hookimpl

    @hookimpl
    def stackkit_backbones():
        return [BackboneSpec(name="slow", summary="", factory="slow:Slow")]

    @hookimpl
    def stackkit_learners():
        return [LearnerSpec(name="dawdling", summary="", factory="slow:Dawdling")]

    @hookimpl
    def stackkit_aggregators():
        return [AggregatorSpec(name="endless", summary="", factory="slow:Endless")]

    class Slow:
        image_size, feature_dim, revision, trained = 8, 3, "1", True

        def extract(self, images):
            if len(images) > 4:  # smaller calls are the check of a third-party backbone
                print("batch begins", file=sys.stderr, flush=True)
                time.sleep(0.5)
            return images.mean(axis=(1, 2)).astype(np.float32)

    class Dawdling:
        def fit(self, X, y):
            sys.stderr.write("fitting begins\\n")  # at once: print would mix lines of two threads
            time.sleep(0.5)
            self.classes_ = np.unique(y)

        def predict(self, X):
            return np.zeros(len(X), int)

        def predict_proba(self, X):
            return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))

    class Endless:
        fit_on = "in-sample"

        def fit(self, probabilities, labels):
            print("fitting begins", file=sys.stderr, flush=True)
            time.sleep(60)
"""


@pytest.fixture
def root(site: Site, tmp_path: Path) -> Path:
    site.install("slow", SLOW)
    return photographs(tmp_path, a=80, b=80)


def interrupted(line: str, times: int, *arguments: str, again_at: str = "") -> Outcome:
    """Press Ctrl-C when `line` has shown on stderr so many times, and again when `again_at` shows."""
    with subprocess.Popen(
        [sys.executable, "-m", "stackkit", *arguments],
        env=variables(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stderr
        seen: list[str] = []
        for text, count in ((line, times), *([(again_at, 1)] if again_at else [])):
            while sum(text in seen_line for seen_line in seen) < count:
                seen.append(process.stderr.readline())
            process.send_signal(signal.SIGINT)
        limit = Timer(20, process.kill)
        limit.start()
        rest, out = process.stderr.read(), process.stdout.read()  # communicate forgets what is buffered
        limit.cancel()
    return Outcome(code=process.returncode, out=out, err="".join(seen) + rest)


def assert_stopped_with_a_message(outcome: Outcome) -> None:
    assert outcome.code == 130
    assert outcome.err.splitlines()[-1].startswith("interrupted; everything finished so far is kept")
    assert "Traceback" not in outcome.err
    assert outcome.out == ""


@pytest.mark.parametrize("command", ["run", "extract"])
def test_ctrl_c_during_extraction_finishes_the_batch_in_flight_and_keeps_it(
    command: str, root: Path, stackkit: Command
) -> None:
    outcome = interrupted("batch begins", 3, command, *chosen(root, "slow"))
    assert_stopped_with_a_message(outcome)
    assert IN_FLIGHT in outcome.err.splitlines()
    assert reused(root, stackkit) in {96, 128}  # 96, unless the machine was slow to pass Ctrl-C on


def test_a_second_ctrl_c_does_not_wait_for_the_batch(root: Path, stackkit: Command) -> None:
    assert_stopped_with_a_message(
        interrupted("batch begins", 3, "extract", *chosen(root, "slow"), again_at=IN_FLIGHT)
    )
    assert reused(root, stackkit) in {64, 96}


def reused(root: Path, stackkit: Command) -> int:
    """Rows that the next run need not compute."""
    extraction = stackkit("run", *chosen(root, "slow"), "--json").document["extraction"]["slow"]
    assert extraction["computed"] + extraction["reused"] == 160
    return int(extraction["reused"])


def test_ctrl_c_during_evaluation_keeps_all_features(root: Path, stackkit: Command) -> None:
    arguments = [*chosen(root), "--json"]
    endless = ["--aggregator", "endless"]
    assert_stopped_with_a_message(
        interrupted("fitting begins", 1, "run", *arguments, *endless, again_at=STOPPING_FITS)
    )
    assert stackkit("evaluate", *arguments).document["n_images"] == 160


def test_ctrl_c_during_evaluation_finishes_running_fits_and_keeps_them(
    root: Path, stackkit: Command, home: Path
) -> None:
    stackkit("extract", *chosen(root))
    options = ["--learner", "dawdling", "--baseline", "none", "--aggregator", "soft-vote", "--cv", "8"]
    arguments = ["evaluate", *chosen(root), *options, "--jobs", "2", "--json"]
    outcome = interrupted("fitting begins", 3, *arguments)
    assert_stopped_with_a_message(outcome)
    assert STOPPING_FITS in outcome.err.splitlines()
    begun = outcome.err.count("fitting begins")
    assert begun in {3, 4}  # two at a time, and no further ones
    assert len(list(home.glob("fits/*/*"))) >= begun  # soft-vote of the first folds is there too
    again = stackkit(*arguments)
    assert again.code == 0
    assert again.err.count("fitting begins") == 8 - begun
