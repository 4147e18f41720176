"""Compare features by their direction alone, as cosines do."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Real = TypeVar("Real", np.float32, np.float64)


def directions(vectors: NDArray[Real]) -> NDArray[Real]:
    """Return vectors, (..., n), scaled to length 1; one of zeros stays as it is."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    scaled: NDArray[Real] = vectors / np.maximum(lengths, np.finfo(vectors.dtype).tiny)
    return scaled
