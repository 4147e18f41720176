"""What keeping SciPy's OpenBLAS to one thread is worth: both ways in turn, in one run.

    python benchmarks/threads.py

Prints seconds per fit of scikit-learn's LogisticRegression and the ratio, median of the rounds.
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

from stackkit.evaluation.scheduler import limited_threads

ROUNDS = 3
SHAPES = ((200, 1280, 10, 100), (3333, 1280, 10, 100), (7859, 2048, 200, 15))
"""Rows, features, classes, iterations: few images, MNIST's folds, CUB's folds (cut short)."""


def seconds(
    shape: tuple[int, int, int, int], threads: Callable[[], AbstractContextManager[None]]
) -> float:
    """Wall time of one fit on seeded random features."""
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
        pairs = [(seconds(shape, nullcontext), seconds(shape, limited_threads)) for _ in range(ROUNDS)]
        plain, calm = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratios = sorted(p / c for p, c in pairs)
        spread = f"{ratios[0]:.1f} to {ratios[-1]:.1f}"
        print(f"{shape}: plain {plain:.2f} s, calm {calm:.2f} s, ratio {plain / calm:.1f} ({spread})")


if __name__ == "__main__":
    main()
