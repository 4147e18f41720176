"""Refuse batches of images that a network does not take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stackkit.api import ExtractionError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def require_batch(images: NDArray[np.uint8], size: int, name: str) -> None:
    """Raise ExtractionError unless `images` is (n, size, size, 3) uint8; `name` is the backbone's."""
    expected = (size, size, 3)
    shape, dtype = getattr(images, "shape", ()), getattr(images, "dtype", type(images).__name__)
    if len(shape) != 4 or shape[1:] != expected or dtype != "uint8":
        raise ExtractionError(
            f"{name} expected uint8 images of shape (n, {', '.join(map(str, expected))}), "
            f"got {dtype} of shape {tuple(shape)}"
        )
