"""Turn the scores of a stack into probabilities that mean what they say, by temperature scaling."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stackkit.api.state import State

RANGE = (0.01, 100.0)
"""Temperatures that are tried; where all answers are right, ever lower ones would be better."""

BINS = 15
"""Bins of equal width for the expected calibration error, as in Guo et al."""

TINY = 1e-12
"""Probabilities below count as this one, so that log-loss is finite."""


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
        # As scipy.special.softmax, bit for bit, without importing SciPy to label an image.
        divided = scores / self.temperature
        powers = np.exp(divided - divided.max(axis=1, keepdims=True))
        found: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
        return found

    def state(self) -> State:
        """Return what `from_state` takes."""
        return State(values={"temperature": self.temperature})

    @classmethod
    def from_state(cls, state: State) -> Calibration:
        """Return the calibration of a state; raises ValueError for an invalid one."""
        temperature = state.values.get("temperature")
        if type(temperature) is not float or not 0 < temperature < math.inf:
            raise ValueError(f"temperature must be a finite number above 0, got {temperature!r:.50}")
        return cls(temperature=temperature)


def fit_calibration(scores: NDArray[np.float64], labels: NDArray[np.int64]) -> Calibration:
    """Find the temperature with the lowest log-loss.

    Parameters
    ----------
    scores : ndarray of shape (n, n_classes)
        Of images that the stack was not fitted on, at least one.
    labels : ndarray of shape (n,), int64
        True labels.

    """
    from scipy.optimize import minimize_scalar

    def loss(logarithm: float) -> float:
        return log_loss(Calibration(temperature=math.exp(logarithm)).probabilities(scores), labels)

    found = minimize_scalar(loss, bounds=tuple(map(math.log, RANGE)), method="bounded")
    return Calibration(temperature=float(math.exp(found.x)))


def cross_fitted(
    scores: NDArray[np.float64], labels: NDArray[np.int64], folds: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return probabilities of each fold by a temperature that was found on the others."""
    found = np.empty_like(scores)
    for fold in np.unique(folds):
        own = folds == fold
        others = ~own if (~own).any() else own
        found[own] = fit_calibration(scores[others], labels[others]).probabilities(scores[own])
    return found


def log_loss(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Return the mean negative logarithm of the true class's probability."""
    of_true = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(of_true, TINY)).mean())


def expected_calibration_error(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Return the mean distance of confidence and accuracy, over `BINS` bins of confidence."""
    confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    bins = np.minimum((confidence * BINS).astype(np.int64), BINS - 1)
    gaps = np.bincount(bins, weights=confidence - correct, minlength=BINS)
    return float(np.abs(gaps).sum() / len(labels))
