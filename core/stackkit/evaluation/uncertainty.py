"""Intervals of figures of the table: every image counts once, and groups of images stay together."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from stackkit.statistics.bootstrap import cluster_interval, difference_interval
from stackkit.statistics.intervals import Interval, tango, wilson


def once_each(correct: NDArray[np.bool_], images: NDArray[np.int64]) -> tuple[Fraction, int]:
    """Count right answers so that each image counts once, however often it was predicted.

    Parameters
    ----------
    correct : ndarray of shape (n_predicted,), bool
        Whether each prediction is correct.
    images : ndarray of shape (n_predicted,), int64
        The image of each prediction.

    Returns
    -------
    hits : Fraction
        Sum over the images of their share of right answers. Exact, so that figures do not depend on the
        order of images.
    n_images : int
        Number of images.

    """
    _, place, often = np.unique(images, return_inverse=True, return_counts=True)
    times = often[place]
    parts = [Fraction(int(correct[times == n].sum()), int(n)) for n in np.unique(often)]
    return sum(parts, Fraction(0)), len(often)


def weights_of(images: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """Return weights of predictions by which each image counts once.

    Parameters
    ----------
    images : ndarray of shape (n_predicted,), int64
        The image of each prediction.

    Returns
    -------
    ndarray of shape (n_predicted,), float64, or None
        None if all images were predicted equally often.

    """
    _, place, often = np.unique(images, return_inverse=True, return_counts=True)
    weights: NDArray[np.float64] = 1 / often[place]
    return weights if len(np.unique(often)) > 1 else None


def accuracy_interval(
    correct: NDArray[np.bool_], images: NDArray[np.int64], groups: NDArray[np.int64] | None
) -> Interval:
    """Return the 95 % interval for the share of images that are predicted correctly.

    Parameters
    ----------
    correct : ndarray of shape (n_predicted,), bool
        Whether each prediction is correct.
    images : ndarray of shape (n_predicted,), int64
        The image of each prediction.
    groups : ndarray of shape (n_predicted,), int64, or None
        The group of each prediction's image.

    Returns
    -------
    tuple of (float, float)
        Wilson's interval; with groups, that of a cluster bootstrap.

    """
    if groups is None:
        hits, n_images = once_each(correct, images)
        return wilson(float(hits), n_images)
    return cluster_interval(_shares(correct, images), _of_images(groups, images))


def gain_interval(
    correct: NDArray[np.bool_],
    reference: NDArray[np.bool_],
    images: NDArray[np.int64],
    groups: NDArray[np.int64] | None,
) -> Interval:
    """Return the 95 % interval for the accuracy minus that of another row.

    Parameters
    ----------
    correct, reference : ndarray of shape (n_predicted,), bool
        Whether each prediction of the two rows is correct.
    images, groups
        As for `accuracy_interval`.

    Returns
    -------
    tuple of (float, float)
        Tango's interval; with groups, that of a paired bootstrap over groups.

    """
    if groups is None:
        only_first, n_images = once_each(correct & ~reference, images)
        only_second, _ = once_each(~correct & reference, images)
        return tango(float(only_first), float(only_second), n_images)
    shares = (_shares(each, images) for each in (correct, reference))
    return difference_interval(*shares, groups=_of_images(groups, images))


def _shares(correct: NDArray[np.bool_], images: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the share of right answers about each image, (n_images,), ascending by image."""
    _, place, often = np.unique(images, return_inverse=True, return_counts=True)
    found: NDArray[np.float64] = np.bincount(place, weights=correct) / often
    return found


def _of_images(groups: NDArray[np.int64], images: NDArray[np.int64]) -> NDArray[np.int64]:
    _, first = np.unique(images, return_index=True)
    return groups[first]
