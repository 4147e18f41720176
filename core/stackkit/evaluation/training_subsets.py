"""Draw parts of the training rows for a learning curve: stratified, and each part within the next."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, count, takewhile

import numpy as np
from numpy.typing import NDArray

from stackkit.evaluation.groups import Groups, class_counts, numbered

FIRST_SIZES = (1, 2, 5)
"""Images of each class at the first points of a curve; from the last one on, the number doubles."""

NEAR_ALL = 0.85
"""A part with a larger share of all training rows says no more than all of them."""


def sizes(labels: NDArray[np.int64]) -> list[int]:
    """Return the numbers of images of each class that are worth a point.

    Parameters
    ----------
    labels : ndarray of shape (n_train,), int64
        Labels of the training rows of a fold.

    Returns
    -------
    list of int
        Ascending: 1, 2, 5, 10, 20, 40 and so on. Classes with fewer images than a point asks for are
        used whole, so the last points differ in the larger classes only.

    """
    per_class = np.bincount(labels)
    doubled = (FIRST_SIZES[-1] * 2**times for times in count(1))

    def is_a_part(size: int) -> bool:
        return bool(np.minimum(per_class, size).sum() <= NEAR_ALL * len(labels))

    return list(takewhile(is_a_part, chain(FIRST_SIZES, doubled)))


def nested_subsets(
    labels: NDArray[np.int64], asked: Sequence[int], *, seed: Sequence[int], groups: Groups | None = None
) -> list[NDArray[np.int64]]:
    """Draw training rows at random, class by class.

    Parameters
    ----------
    labels, groups : ndarray of shape (n_train,), int64; `groups` may be None
        Of the training rows of a fold. Rows of one group are drawn together, so that a class may get
        more rows than asked for.
    asked : sequence of int
        Rows of each class in each subset, ascending. A class with fewer rows is used whole.
    seed : sequence of int
        Seed of the order in which rows are drawn.

    Returns
    -------
    list of ndarray of shape (n_subset,), int64
        Positions in `labels`, ascending. Each subset is within the next.

    """
    units = np.arange(len(labels)) if groups is None else numbered(groups)
    members = class_counts(labels, units)
    order = np.random.default_rng(seed).permutation(len(members)).tolist()
    drawn = np.zeros(len(members), dtype=bool)
    have = [0] * (int(labels.max()) + 1)
    found = []
    for size in asked:
        for unit in order:
            if not drawn[unit] and any(have[label] < size for label in members[unit]):
                drawn[unit] = True
                for label, number in members[unit].items():
                    have[label] += number
        found.append(np.flatnonzero(drawn[units]))
    return found
