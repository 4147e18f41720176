"""Describe an image by how much of it has which colour."""

import numpy as np
from numpy.typing import NDArray
from stackkit.api import UsageError


class ColourHistogram:
    """Shares of an image's pixels in the bins x bins x bins cells of the RGB cube."""

    image_size = 64
    trained = True  # False means random weights; a histogram has no weights that could be random

    def __init__(self, *, bins: int) -> None:
        if not 1 <= bins <= 16:
            raise UsageError(f"bins={bins}: a number from 1 to 16 is wanted")
        self.bins = bins
        self.feature_dim = bins**3
        self.revision = f"1-bins{bins}"

    def extract(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, 64, 64, 3) RGB -> (n, bins**3); every row sums to 1."""
        levels = images.astype(np.int64) * self.bins // 256  # a copy: the caller's array stays as it is
        cells = (levels[..., 0] * self.bins + levels[..., 1]) * self.bins + levels[..., 2]
        shares = np.empty((len(images), self.feature_dim), dtype=np.float32)
        for row, image_cells in zip(shares, cells, strict=True):
            row[:] = np.bincount(image_cells.ravel(), minlength=self.feature_dim) / image_cells.size
        return shares
