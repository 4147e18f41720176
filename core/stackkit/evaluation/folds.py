"""Divide images into training and test rows."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stackkit.api.dataset import Sample
from stackkit.api.errors import EvaluationError, UsageError
from stackkit.evaluation.groups import Groups, numbered

_MOST_NAMES = 10
"""How many classes an error lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """Row numbers to train on and to predict: two disjoint int64 arrays, each in ascending order."""

    train: NDArray[np.int64]
    test: NDArray[np.int64]

    @property
    def both(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Training and test rows."""
        return self.train, self.test


def stratified_folds(
    labels: NDArray[np.int64],
    classes: Sequence[str],
    count: int,
    *,
    shuffle: bool,
    seed: int,
    repeats: int = 1,
    remedy: str = "leave the classes out",
    groups: Groups | None = None,
) -> list[Fold]:
    """Divide rows into folds with `StratifiedKFold`, or with `StratifiedGroupKFold` if there are groups.

    Without groups and shuffling, the folds are those of ``cross_val_score(..., cv=count)``, which the
    published recipe uses.

    Parameters
    ----------
    labels, groups : ndarray of shape (n_samples,), int64; `groups` may be None
        Rows of one group are always in the same part of a fold. Groups differ in size, so folds do too.
    classes : sequence of str
        Class names; a label is an index into them.
    count, repeats : int
        Number of folds, at least 2, and how often to divide the rows, which takes `shuffle`.
    shuffle, seed : bool, int
        Whether to shuffle the rows of each class, or the order of groups; repeat r with ``seed + r``.
    remedy : str
        What the user can do about classes that are too small, for the error.

    Returns
    -------
    list of Fold
        ``count * repeats`` folds, repeat by repeat.

    Raises
    ------
    EvaluationError
        If fewer than two classes have images, classes have fewer images or groups than folds, or groups
        leave a single class to train on.
    UsageError
        If `count` is below 2.

    """
    _require_divisible(labels, classes, count, remedy, groups)
    # scikit-learn refuses a random_state that has no effect.
    seeds = [seed + repeat if shuffle else None for repeat in range(repeats)]
    if groups is None:
        return [fold for each in seeds for fold in _row_folds(labels, count, each)]
    parts = [_deal_groups(labels, groups, count, each) for each in seeds]
    return [fold for part in parts for fold in _grouped_folds(labels, part, count)]


def _require_divisible(
    labels: NDArray[np.int64], classes: Sequence[str], count: int, remedy: str, groups: Groups | None
) -> None:
    """Refuse what `stratified_folds` cannot divide."""
    if count < 2:
        raise UsageError(f"--cv must be at least 2, got {count}")
    _require_two_classes(labels)
    _require_enough("usable images", labels, classes, count, f"{remedy}, or add images")
    if groups is not None:
        of_class, _ = np.unique(np.stack([labels, groups]), axis=1)
        more_groups = "leave the classes out, or add images of other groups"
        _require_enough("groups of images", of_class, classes, count, more_groups)


def _row_folds(labels: NDArray[np.int64], count: int, seed: int | None) -> list[Fold]:
    """Divide rows one by one; without a seed they are not shuffled."""
    from sklearn.model_selection import StratifiedKFold  # 1 s, which labelling images does not need

    divider = StratifiedKFold(n_splits=count, shuffle=seed is not None, random_state=seed)
    parts = divider.split(np.zeros(len(labels)), labels)
    return [Fold(train=train, test=test) for train, test in parts]


def _require_enough(
    what: str, labels: NDArray[np.int64], classes: Sequence[str], count: int, remedy: str
) -> None:
    """Refuse classes with fewer images, or groups, than folds; one label for each of these."""
    present, sizes = np.unique(labels, return_counts=True)
    if sizes.min() < count:
        small = {
            classes[int(label)]: int(n) for label, n in zip(present, sizes, strict=True) if n < count
        }
        raise _too_few(what, small, count, remedy)


def _too_few(what: str, small: Mapping[str, int], count: int, remedy: str) -> EvaluationError:
    """Name the classes with fewer images or groups than folds, smallest first, and what can be done."""
    fewest = min(small.values())
    shown = sorted(small, key=lambda name: (small[name], name))[:_MOST_NAMES]
    names = ", ".join(f"{name!r} ({small[name]})" for name in shown)
    more = f" and {len(small) - len(shown)} more" if len(small) > len(shown) else ""
    which = "1 class has" if len(small) == 1 else f"{len(small)} classes have"
    fewer_folds = f"use --cv {fewest}, " if fewest >= 2 else ""
    return EvaluationError(
        f"{which} fewer {what} than the {count} folds: {names}{more}; {fewer_folds}{remedy}"
    )


def _deal_groups(
    labels: NDArray[np.int64], groups: Groups, count: int, seed: int | None
) -> NDArray[np.int64]:
    """Return the number of each row's fold, (n_samples,) int64; without a seed, groups keep their order.

    Some class must have images in at least `count` groups, or `count` must be 2. Then no fold is empty:
    a group with this class goes to a fold without it as long as there is an empty one. Otherwise
    rounding errors may leave a fold empty, see scikit-learn's issue 34828.

    Groups are dealt out in descending order of how unevenly they are divided over the classes; the seed
    decides between equal ones only.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    if seed is not None:
        # Not StratifiedGroupKFold(shuffle=True): before scikit-learn 1.8 its folds are not stratified.
        # It deals out groups in the order of their numbers, so shuffled numbers shuffle the groups.
        groups = np.random.default_rng(seed).permutation(groups.max() + 1)[groups]
    part = np.empty(len(labels), dtype=np.int64)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class in y")
        split = StratifiedGroupKFold(count).split(labels, labels, groups)
        for number, (_, test) in enumerate(split):
            part[test] = number
    return part


def _grouped_folds(labels: NDArray[np.int64], part: NDArray[np.int64], count: int) -> list[Fold]:
    folds = _folds(part, count)
    if any(len(np.unique(labels[fold.train])) < 2 for fold in folds):
        raise EvaluationError(
            f"groups cannot be divided into {count} folds that each train on two classes; choose "
            "another --cv, or add images of other groups"
        )
    return folds


def _folds(part: NDArray[np.int64], count: int) -> list[Fold]:
    return [Fold(train=np.flatnonzero(part != k), test=np.flatnonzero(part == k)) for k in range(count)]


def official_fold(samples: Sequence[Sample]) -> list[Fold]:
    """Return the dataset's official split as a single fold; images of other parts are not used.

    Raises
    ------
    EvaluationError
        If the dataset has no official training or test images, or the former show a single class.

    """
    parts = np.array([sample.split or "" for sample in samples])
    train, test = np.flatnonzero(parts == "train"), np.flatnonzero(parts == "test")
    if not len(train) or not len(test):
        raise EvaluationError(
            f"--split official: the dataset has {len(train)} training and {len(test)} test images"
            f"{_unknown_parts(parts)}; use --cv instead"
        )
    _require_two_classes(np.array([samples[int(i)].label for i in train]))
    return [Fold(train=train, test=test)]


def _unknown_parts(parts: NDArray[np.str_]) -> str:
    """Describe split names that a dataset plugin must not use, or return ""."""
    names, counts = np.unique(parts, return_counts=True)
    unknown = [
        f"{count} as {str(name)!r}"
        for name, count in zip(names, counts, strict=True)
        if name not in {"", "train", "val", "test"}
    ]
    if not unknown:
        return ""
    return f" (its plugin marks {', '.join(unknown)}; expected 'train', 'val' or 'test')"


def inner_folds(
    labels: NDArray[np.int64], count: int, *, seed: int, groups: Groups | None = None
) -> list[Fold]:
    """Divide the rows of a training fold into shuffled stratified inner folds.

    Out-of-fold probabilities come from learners that are fitted on all inner folds but one.

    Parameters
    ----------
    labels : ndarray of shape (n_train,), int64
        Labels of the training rows.
    count : int
        Number of inner folds. It is lowered to the number of images, or of groups, of the class that
        has most of them.
    seed : int
        Seed for shuffling.
    groups : ndarray of shape (n_train,), int64, or None
        Rows with the same number are always in the same part of a fold.

    Returns
    -------
    list of Fold
        At least two folds. Row numbers are positions in `labels`.

    Raises
    ------
    EvaluationError
        If a learner would be fitted on a single class.

    """
    if groups is None:
        folds = _deal_rows(labels, count, seed)
    else:
        folds = _inner_grouped_folds(labels, count, seed, groups)
    if len(folds) < 2 or any(len(np.unique(labels[fold.train])) < 2 for fold in folds):
        in_groups = "" if groups is None else f" in {len(np.unique(groups))} group(s)"
        raise EvaluationError(
            f"a training fold of {len(labels)} images{in_groups} is too small for out-of-fold "
            "probabilities: a learner would be fitted on a single class; add images, or use "
            "fit_on=in-sample"
        )
    return folds


def _deal_rows(labels: NDArray[np.int64], count: int, seed: int) -> list[Fold]:
    count = max(2, min(count, int(np.bincount(labels).max())))
    # StratifiedKFold refuses classes with fewer images than folds. Here these are allowed: their images
    # are predicted once like all others, though by a learner that may not know the class. So rows are
    # dealt out in turn, class by class, which also keeps the sizes of the folds within one of each
    # other.
    order = np.argsort(np.random.default_rng(seed).permutation(len(labels)))
    by_class = np.lexsort((order, labels))  # the last key comes first: by class, shuffled within it
    part = np.empty(len(labels), dtype=np.int64)
    part[by_class] = np.arange(len(labels)) % count
    return _folds(part, count)


def _inner_grouped_folds(labels: NDArray[np.int64], count: int, seed: int, groups: Groups) -> list[Fold]:
    """Return inner folds that keep groups together; none if there are too few groups or images."""
    of_class, _ = np.unique(np.stack([labels, groups]), axis=1)
    count = max(2, min(count, int(np.bincount(of_class).max())))
    if len(np.unique(groups)) < count or np.bincount(labels).max() < count:
        return []
    return _folds(_deal_groups(labels, numbered(groups), count, seed), count)


def rows_of_unknown_classes(labels: NDArray[np.int64], folds: Sequence[Fold]) -> NDArray[np.int64]:
    """Return the test rows of folds whose class has no training rows there, in ascending order.

    For inner folds these are the only images of their classes: learners are fitted without the class.

    Parameters
    ----------
    labels : ndarray of shape (n_rows,), int64
        Labels of the rows.
    folds : sequence of Fold
        Folds of these rows.

    Returns
    -------
    ndarray of shape (n_unknown,), int64
        Row numbers.

    """
    unknown = [fold.test[~np.isin(labels[fold.test], labels[fold.train])] for fold in folds]
    return np.sort(np.concatenate([np.empty(0, dtype=np.int64), *unknown]))


def _require_two_classes(labels: NDArray[np.int64]) -> None:
    if (found := len(np.unique(labels))) < 2:
        raise EvaluationError(f"training needs images of at least two classes, got {found}")
