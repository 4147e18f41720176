"""Fit learners on more rows than fit in memory, and compare them with scikit-learn's on rows that do.

    python benchmarks/streaming.py [--rows 10000000] [--classes 100] [--compare 20000] [--only ridge]

Rows of 1,280 features are computed when they are read, from a seed, and never stored: ten million of
them would be 51 GB. Each learner is fitted in a process of its own. Printed are its time, the part of it
that computing the rows took, rows per second, the peak memory of the process above what it held before
the fit, and accuracy and log-loss on 20,000 rows that no fit has seen. Then the same learners and those
of scikit-learn are fitted on `--compare` rows, alternately in one process.

On two cores, ten million rows of 100 classes take about a quarter of an hour for `ridge` and for `lda`,
and half an hour to an hour for `sgd-logistic`, which reads all rows four times. A tenth of the rows
takes a tenth of the time: `--rows 1000000`.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, RidgeClassifierCV
from sklearn.metrics import accuracy_score, log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from stackkit_plugins.lda.learner import lda
from stackkit_plugins.logistic.learner import sgd_logistic
from stackkit_plugins.ridge.learner import ridge
from stackkit_plugins.ridge.ridge import PATH

WIDTH, TEST_ROWS, SPREAD = 1280, 20_000, 0.18
PERIODS = (4093, 8191)
"""Two primes: the sum of two rows of noise repeats itself after 33 million rows."""


@dataclass(frozen=True, eq=False)
class SyntheticRows:
    """Features of overlapping classes, not negative, as `stackkit.api.StoredRows`."""

    labels: NDArray[np.int64]
    first: int
    means: NDArray[np.float32]
    noise: tuple[NDArray[np.float32], ...]
    groups: None = None
    seconds: list[float] = field(default_factory=list)

    @property
    def n_features(self) -> int:
        """Number of features of a row."""
        return self.means.shape[1]

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Compute some rows."""
        start = time.perf_counter()
        found = self.means[self.labels[rows]]
        for table in self.noise:
            found += table[(self.first + rows) % len(table)]
        np.maximum(found, 0, out=found)
        self.seconds.append(time.perf_counter() - start)
        return found

    def all(self) -> NDArray[np.float32]:
        """Compute all rows."""
        return self.read(np.arange(len(self.labels)))


def synthetic(rows: int, classes: int) -> tuple[SyntheticRows, SyntheticRows]:
    """Return rows to fit on, and further ones to predict."""
    random = np.random.default_rng(0)
    means = (SPREAD * random.standard_normal((classes, WIDTH))).astype(np.float32)
    noise = tuple(random.standard_normal((period, WIDTH), dtype=np.float32) for period in PERIODS)
    labels = random.integers(0, classes, rows + TEST_ROWS)
    return (
        SyntheticRows(labels[:rows], 0, means, noise),
        SyntheticRows(labels[rows:], rows, means, noise),
    )


LEARNERS: dict[str, Callable[[], Any]] = {
    "ridge": lambda: ridge(
        alpha="auto", class_weight=None, temperature="auto", normalise="none", updatable=False
    ),
    "lda": lambda: lda(
        shrinkage=0.3, class_weight=None, temperature="auto", normalise="none", updatable=False
    ),
    "sgd-logistic": lambda: sgd_logistic(
        C=1.0, epochs="auto", class_weight=None, seed=0, normalise="standardise"
    ),
}


def peers(rows: SyntheticRows) -> dict[str, Callable[[], Any]]:
    """Return scikit-learn's counterparts, on the same grid of penalties."""
    length = float(rows.all().var(axis=0, dtype=np.float64).sum())
    return {
        "ridge": lambda: RidgeClassifierCV([length * step for step in PATH]),
        "lda": lambda: LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.3),
        "sgd-logistic": lambda: make_pipeline(StandardScaler(), LogisticRegression()),
    }


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--compare", type=int, default=20_000, help="0: no comparison")
    parser.add_argument("--only", choices=[*LEARNERS], help="one learner")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    names = [given.only] if given.only else [*LEARNERS]
    if given.child:
        print(json.dumps(streamed(names[0], given.rows, given.classes)))
        return
    if given.compare:
        compare(names, given.compare, given.classes)
    print(f"\n{given.rows:,} rows of {WIDTH:,} features, {given.classes:,} classes")
    for name in names:
        command = [sys.executable, __file__, "--child", "--only", name]
        command += ["--rows", str(given.rows), "--classes", str(given.classes)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found = json.loads(done.stdout)
        print(
            f"{name:14}{found['seconds']:9.1f} s ({found['reading']:.1f} s for the rows)"
            f"{given.rows / found['seconds']:12,.0f} rows/s{found['peak'] / 1e6:9,.0f} MB"
            f"   accuracy {found['accuracy']:.4f}, log-loss {found['log_loss']:.4f}",
            flush=True,
        )


def streamed(name: str, rows: int, classes: int) -> dict[str, float]:
    """Fit one learner on stored rows in this process."""
    train, test = synthetic(rows, classes)
    X = test.all()
    before, start = peak(), time.perf_counter()
    learner = LEARNERS[name]()
    learner.fit_stored(train)
    seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "reading": sum(train.seconds),
        "peak": peak() - before,
        **quality(learner, X, test.labels),
    }


def compare(names: list[str], rows: int, classes: int) -> None:
    """Fit both on the same rows, alternately, and print the ratio of times."""
    train, test = synthetic(rows, classes)
    X, new = train.all(), test.all()
    others = peers(train)
    print(f"{rows:,} rows in memory: stored rows, then scikit-learn")
    for name in names:
        times: dict[str, list[float]] = {"own": [], "peer": []}
        for _ in range(2):
            own, peer = LEARNERS[name](), others[name]()
            times["own"].append(timed(lambda own=own: own.fit_stored(train)))
            times["peer"].append(timed(lambda peer=peer: peer.fit(X, train.labels)))
        own_s, peer_s = min(times["own"]), min(times["peer"])
        same = np.mean(own.predict(new) == peer.predict(new))
        print(
            f"{name:14}{own_s:8.1f} s{peer_s:9.1f} s   ratio {own_s / peer_s:.2f}   "
            f"same labels {same:.2%}",
            *(quality(each, new, test.labels) for each in (own, peer)),
            flush=True,
        )


def quality(learner: Any, X: NDArray[np.float32], labels: NDArray[np.int64]) -> dict[str, float]:
    """Return accuracy, and log-loss if there are probabilities."""
    found = {"accuracy": round(float(accuracy_score(labels, learner.predict(X))), 4)}
    if hasattr(learner, "predict_proba"):
        loss = log_loss(labels, learner.predict_proba(X), labels=learner.classes_)
        found["log_loss"] = round(float(loss), 4)
    return found


def timed(call: Callable[[], object]) -> float:
    """Return the seconds of a call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def peak() -> int:
    """Return the largest number of bytes that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
