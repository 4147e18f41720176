"""Turn the scores of a stack into probabilities that mean what they say, by temperature scaling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A temperature that scores are divided by.

    Parameters
    ----------
    temperature : float
        Above 0; above 1 makes probabilities less certain.

    References
    ----------
    C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On calibration of modern neural networks",
    ICML 2017.

    """

    temperature: float

    def probabilities(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return probabilities of shape (n, n_classes) from scores of the same shape."""
        found: NDArray[np.float64] = softmax(scores / self.temperature, axis=1)
        return found
