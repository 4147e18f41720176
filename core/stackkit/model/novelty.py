"""Tell whether an image looks unlike all training images, by its features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stackkit.evaluation.features import Features


@dataclass(frozen=True, slots=True, kw_only=True)
class NoveltyDetector:
    """Statistics of the classes in feature space, and how unusual left-out training images are.

    Parameters
    ----------
    quantile : float
        Images above this novelty count as novel, such as 0.95.

    """

    quantile: float

    def novelty(self, features: Sequence[Features]) -> NDArray[np.float64]:
        """Return the share of training images that look less unusual than each image, (n,)."""
        raise NotImplementedError
