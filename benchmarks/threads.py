"""Measure what one thread for each fit costs or gains, compared with all threads for one fit at a time.

    python benchmarks/threads.py

Prints seconds per fit of scikit-learn's LogisticRegression with all threads and with one, and their
ratio, as medians over rounds in which both take turns. A ratio below the number of cores means that fits
side by side, with one thread each, finish sooner.
"""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from stackkit.evaluation.conditions import one_blas_thread

ROUNDS = 3
SHAPES = ((200, 1280, 10, 100), (3333, 1280, 10, 100), (7859, 2048, 200, 15))
"""Rows, features, classes, iterations: few images, folds of MNIST, folds of CUB (stopped early)."""


def seconds(
    shape: tuple[int, int, int, int], threads: Callable[[], AbstractContextManager[None]]
) -> float:
    """Return the wall time of one fit on random features, in seconds."""
    rows, features, classes, iterations = shape
    X = np.random.default_rng(0).random((rows, features), dtype=np.float32)
    start = time.perf_counter()
    with threads():
        LogisticRegression(max_iter=iterations).fit(X, np.arange(rows) % classes)
    return time.perf_counter() - start


def main() -> None:
    """Print one line per shape."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    for shape in SHAPES:
        pairs = [(seconds(shape, nullcontext), seconds(shape, one_blas_thread)) for _ in range(ROUNDS)]
        every, one = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratios = sorted(limited / free for free, limited in pairs)
        ratio = f"ratio {one / every:.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        print(f"{shape}: all threads {every:.2f} s, one thread {one:.2f} s, {ratio}")


if __name__ == "__main__":
    main()
