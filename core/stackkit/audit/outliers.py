"""Find images whose features are far from those of every class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from stackkit.audit.directions import directions
from stackkit.audit.findings import Finding
from stackkit.audit.subject import Subject
from stackkit.evaluation.features import BLOCK_ROWS, Features

LIMIT = 3.5
"""Modified z-score from which a distance is an outlier, by Iglewicz and Hoaglin (1993)."""

_TO_SD = 0.6745
"""Median absolute deviation of a normal distribution, in standard deviations."""


def outliers(subject: Subject) -> list[Finding]:
    """Return the images that are farther from every class than nearly all others."""
    distances = class_distances(subject.features, subject.labels, len(subject.classes))
    median = float(np.median(distances))
    spread = float(np.median(np.abs(distances - median)))
    if spread == 0:  # more than half of the images are at one distance: there is no scale
        return []
    scores = _TO_SD * (distances - median) / spread
    return [
        subject.finding(
            "outlier",
            place,
            distances[place],
            f"distance {distances[place]:.2f} to the nearest class; half of the images are within "
            f"{median:.2f}",
        )
        for place in np.flatnonzero(scores > LIMIT).tolist()
    ]


def class_distances(
    features: Sequence[Features], labels: NDArray[np.int64], n_classes: int
) -> NDArray[np.float64]:
    """Return how far each image is from the class that is nearest to it.

    Parameters
    ----------
    features : sequence of Features
        One entry per backbone, all of the same n images. Several views count by their mean.
    labels : ndarray of shape (n,), int64
        Labels of the images.
    n_classes : int
        Number of classes.

    Returns
    -------
    ndarray of shape (n,), float64
        1 minus the cosine of the angle to the mean direction of the nearest class, from 0 to 2; the mean
        over the backbones. An image does not count for the mean of its own class.

    Notes
    -----
    This is the distance by which models tell novel images. The distance to the nearest images, which is
    common for outliers, misses several images of one kind: of 30 photographs of flowers among 1,115
    birds it ranks 6 among the first 30 (10 neighbours), and the distance to classes all 30.

    """
    similarity = np.zeros((len(labels), n_classes))
    sizes = np.bincount(labels, minlength=n_classes)
    for each in features:
        sums = np.zeros((n_classes, each.width))
        for rows, ours in _directions(each):
            np.add.at(sums, labels[rows], ours)
        means = directions(sums)
        for rows, ours in _directions(each):
            to_classes = ours @ means.T
            without_itself = directions(sums[labels[rows]] - ours)
            to_classes[np.arange(len(rows)), labels[rows]] = (ours * without_itself).sum(axis=1)
            similarity[rows] += to_classes
    similarity /= len(features)
    alone = sizes[labels] == 1  # nothing is left of the class of a single image
    similarity[alone, labels[alone]] = -1
    similarity[:, sizes == 0] = -1
    distances: NDArray[np.float64] = 1 - similarity.max(axis=1)
    return distances


def _directions(features: Features) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Yield features scaled to length 1, a few rows at a time."""
    for start in range(0, len(features.used_rows), BLOCK_ROWS):
        rows = np.arange(start, min(start + BLOCK_ROWS, len(features.used_rows)))
        yield rows, directions(features.take_average(rows).astype(np.float64))
