"""What a bootstrap draws: single images, or groups of images that belong together."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from stackkit.statistics.intervals import Z_95, Interval, wilson_of_variance

DRAWS = 2000
"""Bootstrap samples: beyond each end of a 95 % interval are 50 of them."""

NUMBERS_AT_ONCE = 4_000_000
"""Counts that are held in memory at a time: 32 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """Images, or groups of images.

    Parameters
    ----------
    hits : ndarray of shape (n_units, n_rows), float64
        Correct images of each unit, for each row of the table; fractions where images are predicted in
        several repeats.
    sizes : ndarray of shape (n_units,), float64
        Images of each unit.

    """

    hits: NDArray[np.float64]
    sizes: NDArray[np.float64]

    @property
    def accuracies(self) -> NDArray[np.float64]:
        """Share of correct images, (n_rows,) float64."""
        found: NDArray[np.float64] = self.hits.sum(axis=0) / self.sizes.sum()
        return found

    @property
    def effective(self) -> float:
        """Number of units of equal size that would tell as much, at least 2.

        A. V. Carter, K. T. Schnepel and D. G. Steigerwald, "Asymptotic behavior of a t-test robust to
        cluster heterogeneity", Review of Economics and Statistics 99, 2017, 698-709.
        """
        return max(2.0, float(self.sizes.sum() ** 2 / (self.sizes**2).sum()))

    @property
    def inflation(self) -> float:
        """Factor of standard deviations; a bootstrap divides by n units instead of n - 1."""
        return math.sqrt(self.effective / (self.effective - 1))

    @property
    def widening(self) -> float:
        """How much wider an interval must be because few units tell how much units vary.

        It takes the quantile of Student's instead of the normal distribution: A. C. Cameron and D. L.
        Miller, "A practitioner's guide to cluster-robust inference", Journal of Human Resources 50,
        2015, 317-372.
        """
        return self._widening(self.effective - 1)

    def _widening(self, freedom: float) -> float:
        return float(stdtrit(freedom, 0.975)) / Z_95 * self.inflation

    def widening_of(self, row: int) -> float:
        """Return the same for the accuracy of a row; wider where few groups cause most of its variance.

        The degrees of freedom are Satterthwaite's, from how much the groups' squared deviations vary:
        F. E. Satterthwaite, "An approximate distribution of estimates of variance components",
        Biometrics Bulletin 2, 1946, 110-114. They count by the part of the variance that independent
        images would not have, since Wilson's interval allows for that of single images.
        """
        share = float(self.accuracies[row])
        squares = (self.hits[:, row] - share * self.sizes) ** 2
        variance, alone = float(squares.sum()), self.sizes.sum() * share * (1 - share)
        spread = float((squares**2).sum()) - variance**2 / len(squares)
        if variance <= alone or spread <= 0:
            return self.widening
        freedom = min(self.effective - 1, max(1.0, 2 * variance**2 / spread))
        part = 1 - alone / variance
        return math.sqrt((1 - part) * self.widening**2 + part * self._widening(freedom) ** 2)

    def interval_of(self, row: int, share: float, variance: float) -> Interval:
        """Return Wilson's 95 % interval for the accuracy of a row, or what is left of it after a choice.

        `share` is that accuracy, in [0, 1], and `variance` its variance by a bootstrap of the units.
        """
        return wilson_of_variance(
            share,
            variance,
            total=float(self.sizes.sum()),
            n_units=len(self.sizes),
            widening=self.widening_of(row),
        )

    def kinds(self) -> tuple[Units, NDArray[np.int64]]:
        """Return one unit of each kind, and the number of units that equal it, (n_kinds,) int64."""
        both = np.column_stack([self.hits, self.sizes])
        # Equal units are neighbours, see `units_of`.
        starts = np.flatnonzero(np.append(True, (both[1:] != both[:-1]).any(axis=1)))
        counts = np.diff(np.append(starts, len(both))).astype(np.int64)
        return Units(hits=self.hits[starts], sizes=self.sizes[starts]), counts

    def with_opposites(self, first: int, second: int) -> Units:
        """Add two units: one that the first row and no other gets right, and one the other way round.

        They are of mean size, and as large in what they tell about the two rows as the units that tell
        them apart; a unit of one image gets one image. Without them, samples of rows that differ on a
        few images only hardly vary, and their intervals are too narrow.

        References
        ----------
        D. G. Bonett and R. M. Price, "Adjusted Wald confidence interval for a difference of binomial
        proportions based on paired data", Journal of Educational and Behavioral Statistics 37, 2012,
        479-488.

        """
        differences = self.hits[:, first] - self.hits[:, second]
        apart = differences[differences != 0]
        weight = float(np.sqrt(np.mean(apart**2))) if len(apart) else 1.0
        added = np.zeros((2, self.hits.shape[1]))
        added[0, first] = weight
        added[1, np.arange(self.hits.shape[1]) != first] = weight
        size = self.sizes.mean()
        return Units(hits=np.vstack([self.hits, added]), sizes=np.append(self.sizes, [size, size]))


def units_of(correct: NDArray[np.float64], groups: NDArray[np.int64] | None) -> Units:
    """Return images or groups as units; equal ones are neighbours, in any order of the images.

    Parameters
    ----------
    correct : ndarray of shape (n, n_rows), float64
        Share of right answers about each image, in [0, 1], for each row of the table.
    groups : ndarray of shape (n,), int64, or None
        Images with the same number belong together.

    Raises
    ------
    ValueError
        If there are no images, or if the number of groups is another one.

    """
    hits = np.asarray(correct, dtype=np.float64)
    if hits.ndim != 2 or not len(hits):
        raise ValueError(f"correct must have one row per image, at least 1, got shape {hits.shape}")
    sizes = np.ones(len(hits))
    if groups is not None:
        if len(groups) != len(hits):
            raise ValueError(f"expected {len(hits)} groups, one per image, got {len(groups)}")
        _, place = np.unique(groups, return_inverse=True)
        sizes = np.bincount(place).astype(np.float64)
        hits = np.column_stack([np.bincount(place, weights=column) for column in hits.T])
    # Rounded, since sums of fractions depend on the order of the images in the last bit.
    hits = np.round(hits, 9)
    order = np.lexsort((*hits.T, sizes))
    return Units(hits=hits[order], sizes=sizes[order])


def blocks(draws: int, width: int) -> Iterator[slice]:
    """Yield slices of the draws, so that `width` numbers for each of them fit into memory."""
    step = max(1, NUMBERS_AT_ONCE // max(1, width))
    for start in range(0, draws, step):
        yield slice(start, min(start + step, draws))
