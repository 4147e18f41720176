"""Kill real evaluations at random instants, and look after each kill at what is left.

    python tests/faults/killing_evaluations.py --kills 500

Every child process gives `stackkit evaluate` for the same stored features of two cheap backbones and
gets SIGKILL at a random instant: before, between and after its fits. After every kill each kept fit
must be whole, and none that was kept may be lost or done again; a run that ends must report the very
figures of an undisturbed one, and nothing is kept for the next. Prints what was seen as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
from mlxtend.classifier import StackingClassifier  # noqa: F401 - so that no child has to import it

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLE = REPOSITORY / "docs/examples/stackkit-colour-histogram/src/stackkit_colour_histogram"
sys.path += [str(REPOSITORY / "tests")]

from support.commands import photographs  # noqa: E402
from support.installing import Site, stand_in_for_stackkit  # noqa: E402

from stackkit.cli import main as stackkit  # noqa: E402
from stackkit.evaluation.fit_cache import cached_fits, leftovers  # noqa: E402
from stackkit.experiment.run import run  # noqa: E402, F401 - likewise

BACKBONES = "colour-histogram,colour-histogram:bins=2"
AGGREGATORS = "average-svm,average-svm:fit_on=out-of-fold,soft-vote"


@dataclass
class Seen:
    """Where the kills fell, and what was left."""

    seed: int
    kills: int = 0
    runs_finished: int = 0
    fits: int = 0
    states: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0


class Evaluation:
    """One and the same evaluation, to be run in child processes."""

    def __init__(self, scratch: Path) -> None:
        pictures = photographs(scratch / "pictures", a=20, b=16, c=24)
        self._chosen = ["--dataset", f"image-folder:root={pictures}", "--backbones", BACKBONES]
        self._home = scratch / "home"
        self.fits = self._home / "fits"
        assert self._run("extract", *self._chosen) == 0

    def start(self, out: Path) -> int:
        """Fork a child that evaluates into `out`; returns its process id."""
        options = [
            "--aggregator",
            AGGREGATORS,
            "--jobs",
            "2",
            "--out",
            str(out),
            "--overwrite",
            "--no-html",
        ]
        return self._forked("evaluate", *self._chosen, *options)

    def _run(self, *arguments: str) -> int:
        return os.waitpid(self._forked(*arguments), 0)[1]

    def _forked(self, *arguments: str) -> int:
        if child := os.fork():
            return child
        code = 1
        try:
            os.environ["STACKKIT_HOME"] = str(self._home)
            silence = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silence, 1)
            os.dup2(silence, 2)
            code = stackkit(arguments)
        finally:
            os._exit(code)


def kept(folder: Path) -> dict[str, tuple[int, float]]:
    """Every kept fit by name, with what changes if it is fitted again; all are read to the end."""
    found = {}
    for file in cached_fits(folder):
        with np.load(file.path, allow_pickle=False) as arrays:
            assert {"labels", "converged"} <= dict(arrays).keys()
        found[file.path.name] = (file.path.stat().st_ino, file.size)
    return found


def reported(out: Path) -> tuple[object, ...]:
    """Everything of a run that a kill might have changed."""
    report = json.loads((out / "report.json").read_text())
    arrays = {}
    with h5py.File(out / "probabilities.h5") as file:

        def note(name: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Dataset):
                arrays[name] = item[()].tobytes() if item.dtype.kind != "O" else tuple(item.asstr())

        file.visititems(note)
    return report["results"], report["notes"], report["folds"], arrays


def kill_again_and_again(scratch: Path, kills: int, seed: int) -> Seen:
    """Kill `kills` evaluations; raises AssertionError at the first kept fit that is lost or wrong."""
    begun, draw, seen = time.monotonic(), random.Random(seed), Seen(seed=seed)
    evaluation = Evaluation(scratch)
    started = time.monotonic()
    assert os.waitpid(evaluation.start(scratch / "calm"), 0)[1] == 0
    usual = time.monotonic() - started
    truth, every, out = reported(scratch / "calm"), kept(evaluation.fits), scratch / "out"
    seen.fits = len(every)
    shutil.rmtree(evaluation.fits)
    before, turn = dict[str, tuple[int, float]](), 0
    while seen.kills < kills:
        child = evaluation.start(out)
        if turn % 2:
            time.sleep(draw.uniform(usual / 3, usual))  # the first third imports and plans
        else:
            more = draw.randint(1, max(1, (len(every) - len(before)) // 2))
            _wait_for_fits(evaluation.fits, len(before) + more, child)
        turn += 1
        os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
        assert os.WIFSIGNALED(status) or status == 0, status
        now = kept(evaluation.fits)
        assert before.items() <= now.items(), "a kept fit was lost, or done again"
        assert now.keys() <= every.keys()
        if os.WIFSIGNALED(status):
            seen.kills += 1
            seen.states[_state(len(before), len(now), len(every))] += 1
            before = now
            continue
        assert reported(out) == truth
        seen.runs_finished += 1
        shutil.rmtree(out)
        shutil.rmtree(evaluation.fits)
        before = {}
    assert os.waitpid(evaluation.start(out), 0)[1] == 0
    assert before.items() <= kept(evaluation.fits).items()
    assert reported(out) == truth
    assert not list(out.glob(".probabilities.h5.*"))
    assert len(leftovers(evaluation.fits, time.time() + 2 * 86_400)) <= 2 * seen.kills
    seen.seconds = round(time.monotonic() - begun, 1)
    return seen


def _wait_for_fits(folder: Path, count: int, child: int) -> None:
    """Wait until so many fits are kept, or the child has ended.

    On a busy machine no random moment may fall between two fits.
    """
    ended = os.WEXITED | os.WNOHANG | os.WNOWAIT
    while len(cached_fits(folder)) < count and os.waitid(os.P_PID, child, ended) is None:
        time.sleep(0.001)


def _state(before: int, now: int, every: int) -> str:
    if now == every:
        return "when all fits were kept"
    return "between two fits" if now > before else "before another fit was kept"


def main() -> None:
    """Kill as often as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(f"seed {options.seed}", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        site = Site(Path(folder) / "site")
        shutil.copytree(EXAMPLE, site.folder / EXAMPLE.name)
        site.declare("stackkit-colour-histogram", {"colour-histogram": EXAMPLE.name})
        sys.path.insert(0, str(site.folder))
        stand_in_for_stackkit(site)
        seen = kill_again_and_again(Path(folder), options.kills, options.seed)
    print(json.dumps(vars(seen)))


if __name__ == "__main__":
    main()
