"""Evaluation protocols: which samples are learned from and which are predicted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from stackkit.api.errors import EvaluationError
from stackkit.api.types import Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """Row numbers to learn from and to predict; disjoint, each ascending."""

    train: NDArray[np.int64]
    test: NDArray[np.int64]


def stratified_folds(
    labels: NDArray[np.int64],
    classes: Sequence[str],
    count: int,
    *,
    shuffle: bool,
    seed: int,
    repeats: int = 1,
) -> list[Fold]:
    """`sklearn.model_selection.StratifiedKFold`; unshuffled, it is what the recipe's `cv=3` means.

    Shuffled folds are made `repeats` times, with the seeds `seed`, `seed + 1`, ...
    Raises EvaluationError if a class has fewer images than there are folds.
    """
    if count < 2:
        raise EvaluationError(f"--cv {count}: at least 2 folds are wanted")
    _require_two_classes(labels)
    present, sizes = np.unique(labels, return_counts=True)
    smallest = int(sizes.argmin())
    if sizes[smallest] < count:
        raise EvaluationError(
            f"class {classes[int(present[smallest])]!r} has {sizes[smallest]} usable image(s), fewer "
            f"than the {count} folds; add images, leave the class out, or choose a smaller --cv"
        )
    return [
        Fold(train=train, test=test)
        for repeat in range(repeats)
        for train, test in StratifiedKFold(
            n_splits=count, shuffle=shuffle, random_state=seed + repeat if shuffle else None
        ).split(np.zeros(len(labels)), labels)
    ]


def official_fold(samples: Sequence[Sample]) -> list[Fold]:
    """One fold: learn from the official training part, predict the official test part.

    Raises EvaluationError if the dataset has no official split.
    """
    parts = np.array([sample.split or "" for sample in samples])
    train, test = np.flatnonzero(parts == "train"), np.flatnonzero(parts == "test")
    if not len(train) or not len(test):
        raise EvaluationError(
            f"--split official: the dataset has {len(train)} training and {len(test)} test images"
            f"{_other_words(parts)}; use --cv instead"
        )
    _require_two_classes(np.array([samples[int(i)].label for i in train]))
    return [Fold(train=train, test=test)]


def _other_words(parts: NDArray[np.str_]) -> str:
    """Which words for the parts of a split a dataset has that are none of the protocol's."""
    words, counts = np.unique(parts, return_counts=True)
    known = ("", "train", "val", "test")
    others = [
        f"{count} marked {str(word)!r}"
        for word, count in zip(words, counts, strict=True)
        if word not in known
    ]
    if not others:
        return ""
    return f", and {', '.join(others)}, where its plugin should say 'train', 'val' or 'test'"


def inner_folds(labels: NDArray[np.int64], count: int, *, seed: int) -> list[Fold]:
    """Shuffled stratified folds inside a training fold, for out-of-fold probabilities.

    The number of folds drops to the size of the largest class if that is smaller. Members of a
    class too small to reach every fold are still predicted once, by learners that may not know it.
    Raises EvaluationError if a learner would see one class only.
    """
    count = max(2, min(count, int(np.bincount(labels).max())))
    order = np.argsort(np.random.default_rng(seed).permutation(len(labels)))
    ranked = np.lexsort((order, labels))  # by class, shuffled within it
    part = np.empty(len(labels), dtype=np.int64)
    part[ranked] = np.arange(len(labels)) % count
    rows = np.arange(len(labels))
    folds = [Fold(train=rows[part != k], test=rows[part == k]) for k in range(count)]
    if any(len(np.unique(labels[fold.train])) < 2 for fold in folds):
        raise EvaluationError(
            f"a training fold of {len(labels)} images is too small for out-of-fold probabilities: "
            "without one part of it a single class is left; add images, or use fit_on=in-sample"
        )
    return folds


def _require_two_classes(labels: NDArray[np.int64]) -> None:
    if (found := len(np.unique(labels))) < 2:
        raise EvaluationError(f"at least two classes are wanted to learn from; the images show {found}")
