"""How often answers of which confidence are right, as found on images that were left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """Confidence and correctness of out-of-fold answers.

    Parameters
    ----------
    confidence : ndarray of shape (n,), float64
        Calibrated probability of the predicted class.
    correct : ndarray of shape (n,), bool
        Whether it is the true class.

    """

    confidence: NDArray[np.float64]
    correct: NDArray[np.bool_]
