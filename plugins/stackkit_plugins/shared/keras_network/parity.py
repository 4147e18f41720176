"""Compare an engine's features with TensorFlow's.

The comparison is what makes an engine trustworthy. A converter can misread a graph without an
error, and its features would be stored and shared with those of TensorFlow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from stackkit.api import ExtractionError
from stackkit_plugins.shared.keras_network.pooling import Pooling, split

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from stackkit_plugins.shared.keras_network.engines import Compute

TOLERANCE = 1e-4
"""Largest accepted difference from TensorFlow, relative to a row's norm.

Engines add in another order, which changes features by rounding. A wrong conversion changes them
by far more.
"""


def largest_difference(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """Return the largest relative difference between rows of features.

    Parameters
    ----------
    found : ndarray of shape (n, feature_dim)
        Features of an engine.
    expected : ndarray of shape (n, feature_dim)
        Features of TensorFlow.

    Returns
    -------
    float
        Norm of the difference of a row divided by the norm of the expected row, maximum over rows;
        inf if the shapes differ or `found` is not finite.

    Notes
    -----
    Relative to the row and not to each feature: many features are zero or nearly so, and rounding
    there means nothing to a classifier.

    """
    import numpy as np

    if found.shape != expected.shape or not np.isfinite(found).all():
        return float("inf")
    norms = np.maximum(np.linalg.norm(expected, axis=1), np.finfo(np.float32).tiny)
    return float((np.linalg.norm(found - expected, axis=1) / norms).max())


def largest_difference_of(
    poolings: Sequence[Pooling], found: NDArray[np.float32], expected: NDArray[np.float32]
) -> float:
    """Return the `largest_difference` of any pooling, for the raw columns of several.

    Each is compared alone, so that one with large values does not hide another.
    """
    if largest_difference(found, expected) == float("inf"):
        return float("inf")
    pairs = zip(poolings, split(poolings, found), split(poolings, expected), strict=True)
    return max(largest_difference(each.compared(a), each.compared(b)) for each, a, b in pairs)


def require_close(difference: float, reference: str = "TensorFlow") -> None:
    """Raise ExtractionError if `largest_difference` from the reference is above the tolerance."""
    if not difference <= TOLERANCE:  # also true for nan
        raise ExtractionError(
            f"its features differ from {reference}'s by {difference:.0e} of their norm, "
            f"at most {TOLERANCE:.0e} is allowed"
        )


def in_batches(compute: Compute, images: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Compute features of images, `size` at a time."""
    import numpy as np

    return np.concatenate([compute(images[i : i + size]) for i in range(0, len(images), size)])
