"""Scores of training rows by discriminant analyses that have not seen them, without fitting these."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stackkit_plugins.lda.covariance import ShrunkCovariance
from stackkit_plugins.shared.linear_learners.centred_rows import CentredRows

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """Take groups of rows out of a fitted discriminant analysis.

    Without a group, means of its classes move and its rows leave the covariance R'R. Both are changes
    in the space of the group's rows, so an inverse of the group's size updates the scores (Sherman,
    Morrison and Woodbury). Priors, the ridge and the divisor of the covariance stay.

    Attributes
    ----------
    rows : CentredRows
        R: rows minus the mean of their class.
    covariance : ShrunkCovariance
        Of `rows`.
    share : float
        Factor of R'R in it.
    coefficients : ndarray of shape (n_classes, d)
        Inverse of the covariance times `directions`.
    directions : ndarray of shape (d, n_classes)
        Means of the classes, minus a common point.
    priors : ndarray of shape (n_classes,)
    sizes : ndarray of shape (n_classes,), int64
        Number of rows of each class, also of rows that are not in `rows`.

    """

    rows: CentredRows
    covariance: ShrunkCovariance
    share: float
    coefficients: Array
    directions: Array
    priors: Array
    sizes: NDArray[np.int64]

    def scores(self, groups: NDArray[np.int64] | None) -> Array:
        """Return (n, n_classes) scores of each row, up to a constant; None: each row alone."""
        codes = self.rows.codes
        if groups is None:
            groups = np.arange(len(codes))
        between = self.covariance.between()
        projected = self.rows.times(self.coefficients.T)
        crossed = self.coefficients @ self.directions
        scores = np.empty(projected.shape)
        order = np.argsort(groups, kind="stable")
        for members in np.split(order, np.flatnonzero(np.diff(groups[order])) + 1):
            moves, kept = self._changes(members)
            block, own = between(members), codes[members]
            to_means = projected[members] + block @ moves
            to_rows = block / self.rows.scale[members] + projected[members][:, own]
            update = self.share * np.linalg.solve(kept - self.share * block, to_means)
            products = to_means / self.rows.scale[members, None] + crossed[own]
            products += projected[members][:, own].T @ moves + to_rows.T @ update
            lengths = (projected[members] + to_means) * moves
            lengths = crossed.diagonal() + lengths.sum(axis=0) + (to_means * update).sum(axis=0)
            scores[members] = products - lengths / 2 + np.log(self.priors)
        return scores

    def _changes(self, members: NDArray[np.int64]) -> tuple[Array, Array]:
        """Return how means move, and the inverse of what leaves the covariance, in terms of `members`.

        Shapes (m, n_classes) and (m, m).
        """
        own, sizes = self.rows.codes[members], self.sizes
        left = (sizes - np.bincount(own, minlength=len(sizes)))[own]
        moves, kept = np.zeros((len(members), len(sizes))), np.eye(len(members))
        # The mean of a class that is not in other groups stays: there is nothing to move it to.
        i = np.flatnonzero(left)
        moves[i, own[i]] = -1 / (left[i] * self.rows.scale[members[i]])
        same = (own[:, None] == own) & (left > 0)
        kept -= same / sizes[own]
        return moves, kept
