"""Describe an image by its share of each colour."""

import numpy as np
from numpy.typing import NDArray
from stackkit.api import UsageError


class ColourHistogram:
    """Joint histogram of the pixels' colours, with `bins` bins for each RGB channel."""

    image_size = 64
    trained = True  # False would mean random weights; a histogram has no weights

    def __init__(self, *, bins: int) -> None:
        if not 1 <= bins <= 16:
            raise UsageError(f"bins must be from 1 to 16, got {bins}")
        self.bins = bins
        self.feature_dim = bins**3
        self.revision = f"1-bins{bins}"

    def extract(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, 64, 64, 3) RGB -> (n, bins**3); every row sums to 1."""
        levels = images.astype(np.int64) * self.bins // 256  # a copy: do not change the caller's array
        cells = (levels[..., 0] * self.bins + levels[..., 1]) * self.bins + levels[..., 2]
        shares = np.empty((len(images), self.feature_dim), dtype=np.float32)
        for row, image_cells in zip(shares, cells, strict=True):
            row[:] = np.bincount(image_cells.ravel(), minlength=self.feature_dim) / image_cells.size
        return shares
