"""Let a novelty detector know further images, without those that it was made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stackkit.evaluation.features import Features
from stackkit.model.novelty import NoveltyDetector, directions_of


def updated_novelty(
    detector: NoveltyDetector, features: Sequence[Features], labels: NDArray[np.int64], n_known: int
) -> NoveltyDetector:
    """Add the means of new classes, and the distances of further images to the means of other images.

    Parameters
    ----------
    detector : NoveltyDetector
        The detector.
    features : sequence of Features
        Those of n further images, one entry per backbone.
    labels : ndarray of shape (n,), int64
        Their labels; those from `n_known` on are new classes.
    n_known : int
        Number of classes that the detector knows.

    Notes
    -----
    The means of known classes stay: they say nothing of how many images they are made from. So does the
    unit of each backbone. An image of a new class is compared with the mean of the other images of its
    class, as in `fit_novelty`; the only image of its class counts by its distance to another class.

    """
    means, distances = [], []
    for each, known in zip(features, detector.means, strict=True):
        directions = directions_of(each.take_average(np.arange(len(labels))))
        nearest = (directions @ known.T.astype(np.float64)).max(axis=1)
        added = [known]
        for label in np.unique(labels[labels >= n_known]):
            own = labels == label
            total = directions[own].sum(axis=0, keepdims=True)
            others = directions_of(total - directions[own])  # zeros, far from everything, if it is alone
            nearest[own] = np.maximum(nearest[own], np.einsum("nd,nd->n", directions[own], others))
            added.append(directions_of(total).astype(np.float32))
        means.append(np.concatenate(added))
        distances.append(np.maximum(1 - nearest, 0))
    found = np.mean(np.stack(distances) / detector.units[:, None], axis=0)
    left_out = np.sort(np.concatenate([detector.left_out, found]))
    return replace(detector, means=tuple(means), left_out=left_out)
