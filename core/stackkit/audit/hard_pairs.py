"""Find pairs of classes that classifiers hardly tell apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stackkit.audit.findings import HardPair

LEAST_IMAGES, LEAST_SHARE = 3, 0.05
"""A pair of classes is listed from so many confused images, and such a share of all of both."""


def hard_pairs(
    labels: NDArray[np.int64], probabilities: NDArray[np.floating], classes: Sequence[str]
) -> list[HardPair]:
    """Return the pairs of classes of which a good share is taken for the other one, highest share first.

    Parameters
    ----------
    labels : ndarray of shape (n,), int64
        The labels.
    probabilities : ndarray of shape (n, n_classes)
        Out-of-fold probabilities. Rows with NaN are left out.
    classes : sequence of str
        Class names.

    """
    predicted = ~np.isnan(probabilities).any(axis=1)
    true, taken_for = labels[predicted], probabilities[predicted].argmax(axis=1)
    sizes = np.bincount(true, minlength=len(classes))
    wrong = true != taken_for
    both = np.sort(np.stack([true[wrong], taken_for[wrong]]), axis=0)
    pairs, counts = np.unique(both, axis=1, return_counts=True)
    found = [
        HardPair(
            first=classes[first],
            second=classes[second],
            images=int(count),
            share=float(count / (sizes[first] + sizes[second])),
        )
        for (first, second), count in zip(pairs.T, counts, strict=True)
    ]
    listed = [each for each in found if each.images >= LEAST_IMAGES and each.share >= LEAST_SHARE]
    return sorted(listed, key=lambda each: (-each.share, each.first, each.second))
