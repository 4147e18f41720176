"""Correct a figure for having been chosen as the best on the same images."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from stackkit.statistics.intervals import Z_95, Interval
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

    Percentiles of the samples would be too wide, see `SHRINKAGE`, and empty where all answers are right.
    The interval is Wilson's for the variance of the samples, as in `bootstrap.cluster_interval`.

    References
    ----------
    I. Tsamardinos, E. Greasidou and G. Borboudakis, "Bootstrapping the out-of-sample predictions for
    efficient and accurate cross-validation", Machine Learning 107, 2018, 1895-1922.

    """
    units = units_of(correct, groups)
    columns = _columns(units, candidates)
    chosen, outside = _outside(units, columns, draws, seed)
    samples = outside[np.arange(len(outside)), chosen]
    value = float(samples.mean())
    interval = units.interval_of(_best(units, columns), value, float(samples.var()) * SHRINKAGE**2)
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
    measured on the images outside it. Interval and p follow from the standard deviation of these
    differences, to which two images were added as in `bootstrap.difference_interval`.

    """
    units = units_of(correct, groups)
    columns = _columns(units, candidates)
    value = float(_differences(units, row, columns, draws, seed).mean())
    samples = _differences(units.with_opposites(row, _best(units, columns)), row, columns, draws, seed)
    mean, error = float(samples.mean()), float(samples.std()) * SHRINKAGE
    half = error * units.widening * Z_95
    low, high = min(value, mean - half), max(value, mean + half)
    t = abs(mean) / (error * units.inflation) if error > 0 else 0.0
    p = 2 * float(stdtr(units.effective - 1, -t))
    return Estimate(value=value, interval_95=(max(-1.0, low), min(1.0, high)), p=p)


def _differences(
    units: Units, row: int, columns: NDArray[np.int64], draws: int, seed: int
) -> NDArray[np.float64]:
    chosen, outside = _outside(units, columns, draws, seed)
    found: NDArray[np.float64] = outside[:, row] - outside[np.arange(len(outside)), chosen]
    return found


def _columns(units: Units, candidates: Sequence[int] | None) -> NDArray[np.int64]:
    columns = np.arange(units.hits.shape[1]) if candidates is None else np.asarray(candidates)
    if not len(columns):
        raise ValueError("expected at least one candidate, got none")
    return columns


def _best(units: Units, columns: NDArray[np.int64]) -> int:
    return int(columns[units.accuracies[columns].argmax()])


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
    if n == 1:  # nothing can be outside
        return np.array([_best(units, columns)]), units.accuracies[np.newaxis]
    kinds, counts = units.kinds()
    starts = np.cumsum(counts) - counts
    chosen, outside = [], []
    for part in blocks(draws, n):
        size = part.stop - part.start
        picks = random.integers(n, size=(size, n)) + n * np.arange(size)[:, np.newaxis]
        often = np.bincount(picks.ravel(), minlength=size * n).reshape(size, n)
        # Equal units are neighbours: one sum for each kind of them.
        inside = np.add.reduceat(often, starts, axis=1).astype(np.float64)
        left = np.add.reduceat(often == 0, starts, axis=1, dtype=np.int64).astype(np.float64)
        images = left @ kinds.sizes
        some = images > 0
        accuracies = (inside @ kinds.hits[:, columns]) / (inside @ kinds.sizes)[:, np.newaxis]
        # Rounded, so that equal accuracies are equal whatever the order of their sums.
        chosen.append(columns[np.round(accuracies[some], 12).argmax(axis=1)])
        outside.append((left[some] @ kinds.hits) / images[some, np.newaxis])
    return np.concatenate(chosen), np.concatenate(outside)
