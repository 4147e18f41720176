"""Correct a figure for having been chosen as the best on the same images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stackkit.statistics.bootstrap import percentile_interval
from stackkit.statistics.intervals import Interval, wilson_of_variance
from stackkit.statistics.units import DRAWS, Units, blocks, units_of

Correct = NDArray[np.float64]

SHRINKAGE = math.sqrt(math.exp(-1) / (1 - math.exp(-1)))
"""How much a figure on all images varies, relative to its samples.

Outside a bootstrap sample are 36.8 % of the images, drawn without replacement from all: the variance of
a mean over them is (1 - 0.368) / 0.368 = 1.72 times that of a mean over all images.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A figure that is corrected for a choice.

    Parameters
    ----------
    value : float
        The corrected accuracy in [0, 1], or difference in [-1, 1].
    interval_95 : tuple of (float, float)
        95 % interval.
    p : float or None
        Two-sided p of a difference from 0, in [0, 1]; None for an accuracy.

    """

    value: float
    interval_95: Interval
    p: float | None = None


def corrected_best(
    correct: Correct,
    candidates: Sequence[int] | None = None,
    *,
    groups: NDArray[np.int64] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Estimate:
    """Return the accuracy of the best of several rows, corrected for choosing it on the same images.

    Parameters
    ----------
    correct : ndarray of shape (n, n_rows), float64
        Share of right answers about each image, in [0, 1], for each row of the table.
    candidates : sequence of int, optional
        Columns that the best is chosen from; all by default.
    groups : ndarray of shape (n,), int64, or None
        Images with the same number belong together and are drawn together.
    draws, seed : int
        Number of bootstrap samples, and seed of the random numbers.

    Returns
    -------
    Estimate

    Notes
    -----
    Bootstrap bias-corrected cross-validation: in each bootstrap sample, the candidate with the highest
    accuracy is chosen (the first one of equals) and measured on the images outside the sample. The mean
    is the corrected accuracy. No network and no classifier is fitted again.

    References
    ----------
    I. Tsamardinos, E. Greasidou and G. Borboudakis, "Bootstrapping the out-of-sample predictions for
    efficient and accurate cross-validation", Machine Learning 107, 2018, 1895-1922.

    """
    units = units_of(correct, groups)
    chosen, outside = _outside(units, _columns(units, candidates), draws, seed)
    samples = outside[np.arange(len(outside)), chosen]
    value = float(samples.mean())
    interval = wilson_of_variance(
        value,
        float(samples.var()) * SHRINKAGE**2,
        total=float(units.sizes.sum()),
        n_units=len(units.sizes),
        widening=units.widening,
    )
    return Estimate(value=value, interval_95=interval)


def corrected_gain(
    correct: Correct,
    row: int,
    candidates: Sequence[int],
    *,
    groups: NDArray[np.int64] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Estimate:
    """Return what a row gains over the best of several others, corrected for choosing this best one.

    Parameters
    ----------
    correct, groups, draws, seed
        As for `corrected_best`.
    row : int
        Column of the row, which nobody chose.
    candidates : sequence of int
        Columns that the best is chosen from.

    Returns
    -------
    Estimate
        Of the row's accuracy minus that of the best candidate.

    Notes
    -----
    As `corrected_best`: the best candidate is chosen in each bootstrap sample, and the difference is
    measured on the images outside it.

    """
    units = units_of(correct, groups)
    columns = _columns(units, candidates)
    best = columns[units.accuracies[columns].argmax()]
    completed = units.with_opposites(row, int(best))
    chosen, outside = _outside(completed, columns, draws, seed)
    samples = outside[:, row] - outside[np.arange(len(outside)), chosen]
    mean = float(samples.mean())
    samples = mean + (samples - mean) * SHRINKAGE * units.widening
    low, high = percentile_interval(samples)
    return Estimate(
        # The two added units have no difference together; they only make all others count less.
        value=mean * float(completed.sizes.sum() / units.sizes.sum()),
        interval_95=(max(-1.0, low), min(1.0, high)),
        p=_two_sided(samples),
    )


def _columns(units: Units, candidates: Sequence[int] | None) -> NDArray[np.int64]:
    columns = np.arange(units.hits.shape[1]) if candidates is None else np.asarray(candidates)
    if not len(columns):
        raise ValueError("expected at least one candidate, got none")
    return columns


def _outside(
    units: Units, columns: NDArray[np.int64], draws: int, seed: int
) -> tuple[NDArray[np.int64], Correct]:
    """Return the best candidate inside each bootstrap sample, and all rows' accuracies outside it.

    Returns
    -------
    chosen : ndarray of shape (n_draws,), int64
    outside : ndarray of shape (n_draws, n_rows), float64
        Samples that contain all units, which happens with a few, are left out.

    """
    n, random = len(units.sizes), np.random.default_rng(seed)
    chosen, outside = [], []
    for part in blocks(draws, n):
        size = part.stop - part.start
        picks = random.integers(n, size=(size, n)) + n * np.arange(size)[:, np.newaxis]
        weights = np.bincount(picks.ravel(), minlength=size * n).reshape(size, n).astype(np.float64)
        inside = (weights @ units.hits[:, columns]) / (weights @ units.sizes)[:, np.newaxis]
        left = (weights == 0).astype(np.float64)
        images = left @ units.sizes
        some = images > 0
        # Rounded, so that equal accuracies are equal whatever the order of their sums.
        chosen.append(columns[np.round(inside[some], 12).argmax(axis=1)])
        outside.append((left[some] @ units.hits) / images[some, np.newaxis])
    return np.concatenate(chosen), np.concatenate(outside)


def _two_sided(samples: Correct) -> float:
    """Return the smallest level at which the percentile interval excludes 0."""
    low, high = (int((sign * samples <= 0).sum()) for sign in (1, -1))
    return min(1.0, 2 * (min(low, high) + 1) / (len(samples) + 1))
