"""Refuse third-party backbones whose features of an image depend on other images or on chance.

The store keeps features by the content of their image. Features that depend on the rest of the batch, as
with batch normalization in training mode, would be wrong in every other run.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stackkit.api.errors import ExtractionError
from stackkit.extraction.backbone import CheckedBackbone

IMAGES = 4
"""Number of images to check with, at most."""

TOLERANCE = 0.01
"""Largest relative difference that rounding explains.

Runtimes differ by 1e-5 and half precision by 1e-3; dropout, statistics of the batch or another
algorithm by 0.1 and more.
"""


def require_independent_rows(backbone: CheckedBackbone, images: NDArray[np.uint8]) -> None:
    """Compute features of a few images twice, the second time in another batch, and compare them.

    Parameters
    ----------
    backbone : CheckedBackbone
        A backbone that has been prepared.
    images : ndarray of shape (n, size, size, 3), uint8
        Images of the dataset, n >= 1; at most IMAGES of them are used.

    Raises
    ------
    ExtractionError
        If the features of an image differ by more than TOLERANCE.

    """
    images = images[np.linspace(0, len(images) - 1, min(IMAGES, len(images))).astype(int)]
    # The other batch begins with an image that is not in the first one, and has the others in reverse
    # order, so both the composition of the batch and the place of each image change.
    order = np.arange(len(images))[::-1][: max(1, len(images) - 1)]
    other_batch = np.concatenate([255 - images[:1], images[order]])
    images.flags.writeable = other_batch.flags.writeable = False  # as `extract` passes them
    features = _finite(backbone.features(images))
    difference = relative_differences(_finite(backbone.features(other_batch))[1:], features[order]).max()
    if difference <= TOLERANCE:
        return
    # Only in case of an error: the same batch once more, to tell chance from dependence on the batch.
    again = relative_differences(_finite(backbone.features(images)), features).max()
    if again <= TOLERANCE:
        how = "in another batch"
        why = (
            "they depend on the other images: switch the network to inference mode, or pass images "
            "through it one at a time if it is quantized dynamically"
        )
    else:
        how, why = "when computed again", "they depend on chance or on earlier calls, such as dropout"
    amount = f"{difference:.0%}" if difference < 10 else "more than 1,000%"
    raise ExtractionError(
        f"{backbone.full_name} returns other features for the same image {how}: they differ by {amount} "
        f"of their norm; {why}. No features were stored. For details run `stackkit check-plugin "
        f"{backbone.distribution}`"
    )


def relative_differences(
    found: NDArray[np.floating], expected: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Return (n,) the norm of the difference of each row, divided by the norm of the expected row.

    A row with a norm below a thousandth of the mean norm is compared with that: rounding alone would be
    a large share of a row that is almost 0.
    """
    a, b = found.astype(np.float64), expected.astype(np.float64)
    norms = np.linalg.norm(b, axis=1)
    smallest = max(1e-3 * float(norms.mean()), 1e-30)
    differences: NDArray[np.float64] = np.linalg.norm(a - b, axis=1) / np.maximum(norms, smallest)
    return differences


def _finite(features: NDArray[np.float32]) -> NDArray[np.float64]:
    # `extract` reports NaN and infinite values with the name of the image, which is more helpful.
    return np.nan_to_num(features.astype(np.float64))
