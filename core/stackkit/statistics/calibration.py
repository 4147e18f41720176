"""Turn the scores of a stack into probabilities that mean what they say, by temperature scaling."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stackkit.api.state import State

RANGE = (0.01, 100.0)
"""Lowest and highest temperature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A temperature that scores are divided by.

    Parameters
    ----------
    temperature : float
        Within `RANGE`; above 1 makes probabilities less certain.

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
        low, high = RANGE
        if type(temperature) is not float or not low <= temperature <= high:
            raise ValueError(f"temperature must be from {low} to {high}, got {temperature!r:.50}")
        return cls(temperature=temperature)


def fit_calibration(scores: NDArray[np.float64], labels: NDArray[np.int64]) -> Calibration:
    """Find the temperature with the lowest log-loss.

    Parameters
    ----------
    scores : ndarray of shape (n, n_classes)
        Of images that the stack was not fitted on: logarithms of probabilities, or decision values.
    labels : ndarray of shape (n,), int64
        True labels.

    Returns
    -------
    Calibration
        Within `RANGE`; without images, a temperature of 1.

    Notes
    -----
    The share 1 / (n + 2) of each target is spread evenly over all classes, as in Platt scaling. Without
    that, the best temperature for a few images that are all right would be 0, and every later answer
    would count as certain. With hundreds of images it makes no difference that a user would see.

    References
    ----------
    J. Platt, "Probabilistic outputs for support vector machines", 1999, section 2.2.

    """
    if not len(labels):
        return Calibration(temperature=1.0)
    # Here, because a model that is used does not need SciPy, whose import takes a while.
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    spread = 1 / (len(labels) + 2)

    def loss(logarithm: float) -> float:
        logs = log_softmax(scores / math.exp(logarithm), axis=1)
        of_true = logs[np.arange(len(labels)), labels]
        return -float(((1 - spread) * of_true + spread * logs.mean(axis=1)).mean())

    low, high = (math.log(each) for each in RANGE)
    found = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-6})
    return Calibration(temperature=math.exp(float(found.x)))


def cross_fitted(
    scores: NDArray[np.float64], labels: NDArray[np.int64], folds: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return probabilities of each fold by a temperature that was found on the other folds.

    So no temperature is judged on images that it was found on.

    Parameters
    ----------
    scores, labels
        As for `fit_calibration`.
    folds : ndarray of shape (n,), int64
        Number of the fold of each image. With a single fold, its own temperature is used.

    Returns
    -------
    ndarray of shape (n, n_classes)

    """
    found = np.empty(scores.shape)
    for fold in np.unique(folds):
        own = folds == fold
        others = ~own if (~own).any() else own
        found[own] = fit_calibration(scores[others], labels[others]).probabilities(scores[own])
    return found
