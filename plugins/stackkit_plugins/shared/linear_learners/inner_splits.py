"""Split a training fold again, to tune or calibrate a learner without the test rows."""

from __future__ import annotations

import warnings
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

FOLDS = 5
"""The default of `LogisticRegressionCV` and `CalibratedClassifierCV`."""

Split: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Indices of the rows to fit on and of the held-out rows, each in ascending order."""


def inner_splits(
    labels: NDArray[np.int64], *, seed: int, groups: NDArray[np.int64] | None = None
) -> list[Split]:
    """Split rows into shuffled, stratified folds such that every fit sees every class.

    scikit-learn's `StratifiedKFold` holds out the only row of a class, so the fit of that fold
    would not know the class.

    Parameters
    ----------
    labels : ndarray of shape (n_samples,)
        Of the rows of the training fold.
    seed : int
        Decides which rows are in which fold.
    groups : ndarray of shape (n_samples,) or None
        Rows with the same number are held out together.

    Returns
    -------
    list of (ndarray, ndarray)
        Rows to fit on and held-out rows of each fold: `FOLDS` of them, or as many as the largest
        class has rows if that is fewer. A class of two or more rows is held out in parts. The only
        row of a class is never held out. Empty if no class has two rows. With `groups`, all this is
        true of groups instead of rows.

    """
    if groups is not None:
        return _grouped_splits(labels, groups, seed)
    _, codes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    count = min(FOLDS, int(sizes.max()))
    if count < 2:
        return []
    order = np.random.default_rng(seed).permutation(len(labels))
    # Shuffled rows sorted by class, then dealt out like cards: rows of one class are neighbours, so
    # they go to different folds, and folds differ in size by one row at most.
    by_class = order[np.argsort(codes[order], kind="stable")]
    fold = np.empty(len(labels), dtype=np.int64)
    fold[by_class] = np.arange(len(labels)) % count
    fold[sizes[codes] == 1] = count  # a fold number that is never held out
    return [(np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(count)]


def _grouped_splits(labels: NDArray[np.int64], groups: NDArray[np.int64], seed: int) -> list[Split]:
    _, codes = np.unique(labels, return_inverse=True)
    _, groups = np.unique(groups, return_inverse=True)
    of_class, _ = np.unique(np.stack([codes, groups]), axis=1)
    count = min(FOLDS, int(np.bincount(of_class).max()))
    if count < 2:
        return []
    # Groups are shuffled here, since StratifiedGroupKFold(shuffle=True) does not stratify before
    # scikit-learn 1.8.
    shuffled = np.random.default_rng(seed).permutation(groups.max() + 1)[groups]
    fold = np.empty(len(codes), dtype=np.int64)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class in y")
        for k, (_, test) in enumerate(StratifiedGroupKFold(count).split(codes, codes, shuffled)):
            fold[test] = k
    for code in range(codes.max() + 1):
        rows = np.flatnonzero(codes == code)
        if len(np.unique(fold[rows])) == 1:  # the fit without this fold would not know the class
            fold[groups == groups[rows[0]]] = count  # a fold number that is never held out
    splits = ((np.flatnonzero(fold != k), np.flatnonzero(fold == k)) for k in range(count))
    return [(train, test) for train, test in splits if len(test)]
