"""Hold rows out of a training fold, so that a learner can be judged before it meets the test rows."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

FOLDS = 5
"""As many as `LogisticRegressionCV` and `CalibratedClassifierCV` take."""

Split: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Numbers of the rows to learn from and of those held out, each ascending."""


def inner_splits(labels: NDArray[np.int64], *, seed: int) -> list[Split]:
    """Shuffled stratified splits of (n,) labels in which every class can be learned from.

    Their number drops to the size of the largest class if that is smaller than FOLDS. A class of
    two rows or more is held out by a part at a time; the only row of a class is learned from in
    every split and held out in none. Empty if no class has two rows.
    """
    _, codes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    count = min(FOLDS, int(sizes.max()))
    if count < 2:
        return []
    order = np.random.default_rng(seed).permutation(len(labels))
    by_class = order[np.argsort(codes[order], kind="stable")]
    part = np.empty(len(labels), dtype=np.int64)
    part[by_class] = np.arange(len(labels)) % count  # neighbours of a class are in different parts
    part[sizes[codes] == 1] = count  # a part that is never held out
    return [(np.flatnonzero(part != k), np.flatnonzero(part == k)) for k in range(count)]
