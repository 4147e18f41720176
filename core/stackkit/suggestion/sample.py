"""Choose the images that candidates are compared on."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from stackkit.api.dataset import Dataset
from stackkit.api.errors import EvaluationError
from stackkit.extraction.subset import Subset

IMAGES = 400
"""About as many images as a sample has where --limit is not given."""

FOLDS = 3
"""Folds of the cross-validation on the sample, and so the fewest images of a class in it."""


def default_limit(n_classes: int) -> int:
    """Return the number of images per class that makes a sample of about `IMAGES`, at least 6."""
    return max(6, IMAGES // n_classes)


def stratified_sample(dataset: Dataset, limit: int, seed: int) -> Subset:
    """Choose at most `limit` random images of every class.

    Images of an official test part are left out: a recipe that was chosen on them would be measured on
    them by `--split official`.

    Parameters
    ----------
    dataset : Dataset
        The dataset.
    limit : int
        Maximum number of images per class, at least `FOLDS`.
    seed : int
        Seed of the choice. A larger limit with the same seed only adds images.

    Returns
    -------
    Subset
        The sample. Classes with fewer images than `FOLDS` outside the test part are left out.

    Raises
    ------
    EvaluationError
        If fewer than two classes are left.

    """
    by_class = defaultdict[int, list[int]](list)
    for number, sample in enumerate(dataset.samples):
        if sample.split != "test":
            by_class[sample.label].append(number)
    chosen: list[int] = []
    for label, numbers in by_class.items():
        if len(numbers) >= FOLDS:
            order = np.random.default_rng([seed, label]).permutation(len(numbers))
            chosen += [numbers[place] for place in order[:limit]]
    subset = Subset.of(dataset, chosen)
    if len(subset.classes) < 2:
        raise EvaluationError(
            f"networks can be compared on classes with at least {FOLDS} images outside an official test "
            f"part; the dataset has {len(subset.classes)}, expected at least 2"
        )
    return subset
