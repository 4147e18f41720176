"""Count which classes are taken for which, and order classes so that confused ones stand together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stackkit.evaluation.outcomes import Outcomes
from stackkit.statistics.intervals import Interval, wilson

PAIRS = 20
"""Pairs of classes that a page shows with images."""

_OPTIMAL = 500
"""Classes up to which the optimal order of leaves is looked for; its time grows with their cube."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfusedPair:
    """Two classes that are taken for each other.

    Parameters
    ----------
    first, second : int
        Labels; more images of `first` are taken for `second` than the other way round.
    first_as_second, second_as_first : float
        Number of images. Images that are predicted in several repeats count as their mean.

    """

    first: int
    second: int
    first_as_second: float
    second_as_first: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFigures:
    """How well the images of a class are recognised.

    Parameters
    ----------
    label : int
        The class.
    n_images : int
        Number of tested images.
    accuracy : float or None
        Share of them that are recognised (recall), in [0, 1]; None without images.
    interval_95 : tuple of (float, float) or None
        Wilson's; each image counts once.
    precision : float or None
        Share of the answers with this class that are right; None if it was never answered.
    taken_for : int or None
        Label of the class that its images are most often taken for; None if all are recognised.
    taken_for_images : float
        Number of these images.

    """

    label: int
    n_images: int
    accuracy: float | None
    interval_95: Interval | None
    precision: float | None
    taken_for: int | None
    taken_for_images: float


def confusion(outcomes: Outcomes, row: int) -> NDArray[np.float64]:
    """Count what the images of each class are taken for.

    Parameters
    ----------
    outcomes : Outcomes
        What was predicted.
    row : int
        Position in `outcomes.rows`.

    Returns
    -------
    ndarray of shape (n_classes, n_classes), float64
        Entry (i, j): images of class i that are taken for class j. An image that is predicted in several
        repeats counts once, spread over what it was taken for.

    """
    _, place = np.unique(outcomes.image, return_inverse=True)
    often = np.bincount(place)
    n_classes = len(outcomes.classes)
    cells = outcomes.true * n_classes + outcomes.rows[row].predicted
    counts = np.bincount(cells, weights=1 / often[place], minlength=n_classes**2)
    return np.asarray(counts, dtype=np.float64).reshape(n_classes, n_classes)


def order(counts: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the classes in an order in which those that are taken for each other stand together.

    Parameters
    ----------
    counts : ndarray of shape (n_classes, n_classes)
        From `confusion`.

    Returns
    -------
    ndarray of shape (n_classes,), int64
        Labels. Classes that are not confused keep the order of the dataset as far as possible.

    Notes
    -----
    Average linkage of 1 minus the mean of both shares that are taken for the other class, with leaves in
    the order in which neighbours are most alike.

    References
    ----------
    Z. Bar-Joseph, D. K. Gifford and T. S. Jaakkola, "Fast optimal leaf ordering for hierarchical
    clustering", Bioinformatics 17, 2001.

    """
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    n_classes = len(counts)
    if n_classes < 3:
        return np.arange(n_classes)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-9)
    labels = np.arange(n_classes)
    # The last term is smaller than any confusion: it only decides between equals.
    distance = 1 - (shares + shares.T) / 2 + 1e-6 * np.abs(labels[:, None] - labels) / n_classes
    np.fill_diagonal(distance, 0)
    between = squareform(distance, checks=False)
    tree = linkage(between, "average", optimal_ordering=n_classes <= _OPTIMAL)
    leaves: NDArray[np.int64] = leaves_list(tree).astype(np.int64)
    # An order and its reverse are equally good: begin near the first class.
    return leaves if np.argmin(leaves) < n_classes / 2 else leaves[::-1].copy()


def confused_pairs(counts: NDArray[np.float64], most: int = PAIRS) -> list[ConfusedPair]:
    """Return the pairs of classes with most images taken for the other one, most first.

    Equal numbers are ordered by their share of the images of both classes.
    """
    sizes = counts.sum(axis=1)
    first, second = np.triu_indices(len(counts), 1)
    both = counts[first, second] + counts[second, first]
    shares = both / np.maximum(sizes[first] + sizes[second], 1e-9)
    found = []
    for number in np.lexsort((-shares, -both))[:most]:
        if both[number] <= 0:
            break
        one, other = int(first[number]), int(second[number])
        if counts[other, one] > counts[one, other]:
            one, other = other, one
        found.append(
            ConfusedPair(
                first=one,
                second=other,
                first_as_second=float(counts[one, other]),
                second_as_first=float(counts[other, one]),
            )
        )
    return found


def examples(outcomes: Outcomes, row: int, label: int, other: int, most: int = 2) -> list[int]:
    """Return images of a class to show beside a class that it is taken for.

    Parameters
    ----------
    outcomes, row
        As for `confusion`.
    label, other : int
        The class of the images, and the class that they are taken for.
    most : int
        How many.

    Returns
    -------
    list of int
        Positions in `outcomes.ids`: first those that are taken for `other`, then those that are
        recognised, each once.

    """
    own = np.flatnonzero(outcomes.true == label)
    predicted = outcomes.rows[row].predicted[own]
    taken, right = (outcomes.image[own[predicted == each]] for each in (other, label))
    return [int(each) for each in dict.fromkeys([*taken.tolist(), *right.tolist()])][:most]


def per_class(counts: NDArray[np.float64]) -> Sequence[ClassFigures]:
    """Return the figures of every class, in the order of the labels; `counts` is from `confusion`."""
    answered = counts.sum(axis=0)
    return [_figures(label, counts[label], float(answered[label])) for label in range(len(counts))]


def _figures(label: int, counts: NDArray[np.float64], answered: float) -> ClassFigures:
    n_images = round(float(counts.sum()))
    right = float(counts[label])
    others = counts.copy()
    others[label] = 0
    often = float(others.max())
    return ClassFigures(
        label=label,
        n_images=n_images,
        accuracy=min(right / n_images, 1.0) if n_images else None,
        interval_95=wilson(min(right, n_images), n_images) if n_images else None,
        precision=min(right / answered, 1.0) if answered else None,
        taken_for=int(np.argmax(others)) if often > 0 else None,
        taken_for_images=often,
    )
