"""Measure what limiting SciPy's OpenBLAS to one thread gains when classifiers are fitted.

    python benchmarks/threads.py

Prints seconds per fit of scikit-learn's LogisticRegression without and with the limit, and their
ratio, as medians over rounds in which both take turns.
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
        pairs = [(seconds(shape, nullcontext), seconds(shape, limited_threads)) for _ in range(ROUNDS)]
        without, limited = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratios = sorted(one / other for one, other in pairs)
        spread = f"{ratios[0]:.1f} to {ratios[-1]:.1f}"
        ratio = f"ratio {without / limited:.1f} ({spread})"
        print(f"{shape}: without limit {without:.2f} s, with limit {limited:.2f} s, {ratio}")


if __name__ == "__main__":
    main()
