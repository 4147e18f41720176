"""Say what more training images would bring, from a learning curve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stackkit.statistics.intervals import Interval

MIN_POINTS = 4
"""Points of a curve that a forecast takes: one more than the curve has parameters."""

CLOSE = 0.01
"""A point may be this far from the curve in any case: one percentage point."""

EXPONENTS = np.geomspace(0.05, 2.0, 80)
"""Exponents of the power law that are tried."""

WIDEST = 0.2
"""A wider interval says nothing that would help a decision."""

DRAWS = 500

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """The accuracy that more training images would bring.

    Parameters
    ----------
    images_per_class : float
        Training images per class.
    accuracy : float
        In [0, 1]; not below that of the last point of the curve.
    interval_95 : tuple of (float, float)
        In [0, 1].

    """

    images_per_class: float
    accuracy: float
    interval_95: Interval


def forecast(
    images_per_class: NDArray[np.float64], accuracy: NDArray[np.float64], n_test: float, *, seed: int = 0
) -> Forecast | None:
    """Forecast the accuracy with twice as many training images as at the last point.

    Parameters
    ----------
    images_per_class : ndarray of shape (n_points,), float64
        Training images per class, ascending, above 0.
    accuracy : ndarray of shape (n_points,), float64
        Accuracy on the same test images, in [0, 1].
    n_test : float
        Number of distinct test images; in groups, of independent ones that tell as much.
    seed : int
        Of the random numbers for the interval.

    Returns
    -------
    Forecast or None
        None if it cannot be said: fewer than `MIN_POINTS` points, a last part of the curve that is no
        power law, or an interval of more than `WIDEST`.

    Notes
    -----
    The error is modelled as a + b n^-c with a and b at least 0 and c in `EXPONENTS`, so that more images
    never make it larger. For each exponent, a and b follow from weighted least squares. The first points
    are left out, one by one, until no point is further from the curve than its noise explains: curves
    often follow a power law only after the first few images.

    The interval is a parametric bootstrap: every point varies as an accuracy on `n_test` images does,
    and by as much as the points vary about the curve; the curve is fitted and extended again. It is
    widened by the miss in forecasting the last point from those with at most half as many images.

    References
    ----------
    T. Viering and M. Loog, "The shape of learning curves: a review", IEEE Transactions on Pattern
    Analysis and Machine Intelligence 45, 2023, 7799-7819. C. Cortes, L. D. Jackel, S. A. Solla,
    V. Vapnik and J. S. Denker, "Learning curves: asymptotic values and rate of convergence", NIPS 1993.

    """
    images = np.asarray(images_per_class, dtype=np.float64)
    errors = 1 - np.asarray(accuracy, dtype=np.float64)
    part = _power_law_part(images, errors, n_test)
    return None if part is None else _forecast(*part, n_test, seed)


def _forecast(images: Floats, errors: Floats, n_test: float, seed: int) -> Forecast | None:
    """Extend a power law; None if the interval is too wide to say anything."""
    noise, target = _noise(images, errors, n_test), 2 * images[-1]
    (expected,) = _extended(images, errors[np.newaxis], noise, target)
    random = np.random.default_rng(seed)
    drawn = np.clip(errors + noise * random.standard_normal((DRAWS, len(errors))), 0, 1)
    low, high = np.quantile(_extended(images, drawn, noise, target), (0.025, 0.975))
    miss = _miss(images, errors, noise)
    low, high = max(0.0, min(low, expected) - miss), min(1.0, max(high, expected) + miss)
    if high - low > WIDEST:
        return None
    return Forecast(
        images_per_class=float(target),
        accuracy=float(1 - expected),
        interval_95=(float(1 - high), float(1 - low)),
    )


def _power_law_part(images: Floats, errors: Floats, n_test: float) -> tuple[Floats, Floats] | None:
    """Return the longest last part of a curve that is a power law, as images and errors."""
    for start in range(len(images) - MIN_POINTS + 1):
        part, observed = images[start:], errors[start:]
        binomial = _binomial(observed, n_test)
        expected = _fitted(part, observed[np.newaxis], binomial, part)[0]
        if (np.abs(observed - expected) <= np.maximum(2 * binomial, CLOSE)).all():
            return part, observed
    return None


def _binomial(errors: Floats, n_test: float) -> Floats:
    """Return the standard deviation of each point, (n_points,); above 0 also for an error of 0."""
    shares = (errors * n_test + 1) / (n_test + 2)
    found: Floats = np.sqrt(shares * (1 - shares) / n_test)
    return found


def _noise(images: Floats, errors: Floats, n_test: float) -> Floats:
    binomial = _binomial(errors, n_test)
    expected = _fitted(images, errors[np.newaxis], binomial, images)[0]
    found: Floats = np.sqrt(binomial**2 + np.mean((errors - expected) ** 2))
    return found


def _miss(images: Floats, errors: Floats, noise: Floats) -> float:
    """Return how far a forecast of the last point from the first half is off, beyond its noise."""
    known = images <= images[-1] / 2
    if known.sum() < MIN_POINTS:
        return 0.0
    expected = _extended(images[known], errors[np.newaxis, known], noise[known], images[-1])
    return max(0.0, float(abs(expected[0] - errors[-1]) - 2 * noise[-1]))


def _extended(images: Floats, errors: Floats, noise: Floats, target: float) -> Floats:
    return _fitted(images, errors, noise, np.array([target]))[:, 0]


def _fitted(images: Floats, errors: Floats, noise: Floats, targets: Floats) -> Floats:
    """Fit a curve to each row of errors and return its values at the targets.

    Parameters
    ----------
    images, noise : ndarray of shape (n_points,)
        Training images, and standard deviation of the error.
    errors : ndarray of shape (n_curves, n_points)
        Shares of wrong answers.
    targets : ndarray of shape (n_targets,)
        Training images.

    Returns
    -------
    ndarray of shape (n_curves, n_targets)

    """
    weights = 1 / noise**2
    weights = weights / weights.sum()
    # Relative to the last point, so that all powers are moderate. (n_exponents, n_points)
    powers = (images / images[-1]) ** -EXPONENTS[:, np.newaxis]
    mean_power, mean_error = powers @ weights, errors @ weights
    variance = (powers**2) @ weights - mean_power**2
    slope = ((errors * weights) @ powers.T - mean_error[:, np.newaxis] * mean_power) / variance
    slope = np.maximum(slope, 0.0)
    floor = mean_error[:, np.newaxis] - slope * mean_power
    # Where the best floor is below 0, the best allowed one is 0.
    through_0 = ((errors * weights) @ powers.T) / ((powers**2) @ weights)
    slope, floor = np.where(floor < 0, through_0, slope), np.maximum(floor, 0.0)
    values = floor[:, :, np.newaxis] + slope[:, :, np.newaxis] * powers
    loss = ((errors[:, np.newaxis] - values) ** 2) @ weights
    rows, best = np.arange(len(errors)), loss.argmin(axis=1)
    at_targets = (targets / images[-1]) ** -EXPONENTS[best, np.newaxis]
    found: Floats = floor[rows, best, np.newaxis] + slope[rows, best, np.newaxis] * at_targets
    return found
