"""Scores of class probabilities and of predicted labels; arrays only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BINS = 15
"""Bins of equal width for the expected calibration error, as in Guo et al. (2017)."""

TINY = 1e-12
"""Probabilities below count as this one, so that log-loss is finite."""


def log_loss(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Return the mean negative logarithm of the true class's probability."""
    return mean_log_loss(probabilities[np.arange(len(labels)), labels])


def mean_log_loss(of_true: NDArray[np.float64]) -> float:
    """Return the mean negative logarithm of probabilities of the true class, (n,)."""
    return float(-np.log(np.maximum(of_true, TINY)).mean())


def expected_calibration_error(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Return the mean distance of confidence and accuracy, from 0 to 1, over bins of confidence.

    Notes
    -----
    Confidence is the highest probability of an image. The `BINS` bins have equal width from 0 to 1, and
    each counts by its number of images, as in Guo et al. (2017), equation 3. With few images the error
    is above 0 even for perfect probabilities, because the accuracy in a bin varies by chance.

    """
    return calibration_error(probabilities.max(axis=1), probabilities.argmax(axis=1) == labels)


def calibration_error(confidence: NDArray[np.float64], correct: NDArray[np.bool_]) -> float:
    """Return the expected calibration error of answers.

    Parameters
    ----------
    confidence : ndarray of shape (n,)
        Probability of each answer.
    correct : ndarray of shape (n,), bool
        Whether it is right.

    """
    # Bins are open below and closed above, ((i - 1) / BINS, i / BINS].
    bins = np.maximum(np.ceil(confidence * BINS).astype(np.int64) - 1, 0).clip(max=BINS - 1)
    gaps = np.bincount(bins, weights=confidence - correct, minlength=BINS)
    return float(np.abs(gaps).sum() / len(correct))
