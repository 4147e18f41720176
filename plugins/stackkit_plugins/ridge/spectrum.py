"""Ridge regression in the basis where every penalty is diagonal, with rows left out in closed form."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from stackkit_plugins.shared.linear_learners.centred_rows import CentredRows
from stackkit_plugins.shared.linear_learners.class_statistics import ClassStatistics

Array = NDArray[np.float64]


class Spectrum(NamedTuple):
    """Weighted, centred rows R = U S V' and targets T, in the basis where penalties are diagonal.

    `eigenvalues` (r,) are the squares of S, `vectors` U if R is wide, else V; `rows` (n, r) are U S,
    `projected` (r, n_classes) S U' T and `targets` T. `constant` (n,) is the root of what the intercept
    adds to the diagonal of the hat matrix. Of rows that are not in memory, `rows`, `targets` and
    `constant` are those of the few that are left out.
    """

    eigenvalues: Array
    vectors: Array
    rows: Array
    projected: Array
    targets: Array
    constant: Array

    def coefficients(self, rows: CentredRows, penalty: float) -> Array:
        """Return the solution, (d, n_classes); `rows` are R."""
        if not rows.is_wide:
            return self.solution(penalty)
        inverse = 1 / (self.eigenvalues + penalty)
        inside = self.vectors @ (inverse[:, None] * (self.vectors.T @ self.targets))
        return rows.transposed_times(inside)

    def solution(self, penalty: float) -> Array:
        """Return the solution, (d, n_classes), where `vectors` are V."""
        inverse = 1 / (self.eigenvalues + penalty)
        solution: Array = self.vectors @ (inverse[:, None] * self.projected)
        return solution

    def left_out(self, penalty: float, scale: Array, groups: NDArray[np.int64] | None) -> Array:
        """Return target minus prediction, (n, n_classes), by fits without the row's group."""
        inverse = 1 / (self.eigenvalues + penalty)
        residuals = self.targets - self.rows @ (inverse[:, None] * self.projected)
        own = np.square(self.rows) @ inverse + np.square(self.constant)
        errors = residuals / np.maximum(1 - own, np.finfo(np.float64).eps)[:, None]
        for members in _shared(groups):
            part, constant = self.rows[members], self.constant[members]
            hat = (part * inverse) @ part.T + np.outer(constant, constant)
            errors[members] = np.linalg.lstsq(
                np.eye(len(members)) - hat, residuals[members], rcond=None
            )[0]
        errors /= scale[:, None]
        return errors


def spectrum_of_rows(rows: CentredRows, targets: Array) -> Spectrum:
    """Decompose all rows; `targets` (n, n_classes) are weighted and centred as they are."""
    products = rows.row_products() if rows.is_wide else rows.column_products()
    eigenvalues, vectors = _decomposed(products)
    rotated = vectors * np.sqrt(eigenvalues) if rows.is_wide else rows.times(vectors)
    constant = rows.scale / np.linalg.norm(rows.scale)
    return Spectrum(eigenvalues, vectors, rotated, rotated.T @ targets, targets, constant)


def spectrum_of_statistics(statistics: ClassStatistics, rows: CentredRows, targets: Array) -> Spectrum:
    """Decompose the rows behind `statistics`.

    Parameters
    ----------
    statistics : ClassStatistics
        Of all rows.
    rows : CentredRows
        Those that are left out, (m, d).
    targets : ndarray of shape (m, n_classes)
        Theirs, weighted and centred.

    """
    spread = statistics.spread()
    between = np.sqrt(statistics.sizes)[:, None] * spread.offsets
    products = statistics.lower + between.T @ between  # eigh reads the lower triangle
    eigenvalues, vectors = _decomposed(products)
    # A target is 1 or -1, and rows around the centre add up to 0: only those of the class are left.
    moments = 2 * statistics.sizes[:, None] * spread.offsets
    constant = rows.scale / np.sqrt(statistics.sizes.sum())
    return Spectrum(eigenvalues, vectors, rows.times(vectors), vectors.T @ moments.T, targets, constant)


def _decomposed(products: Array) -> tuple[Array, Array]:
    eigenvalues, vectors = eigh(products, overwrite_a=True, check_finite=False)
    # Rounding can make those of dependent rows negative.
    return np.maximum(eigenvalues, 0), vectors


def _shared(groups: NDArray[np.int64] | None) -> list[NDArray[np.int64]]:
    """Return the rows of each group that has more than one."""
    if groups is None:
        return []
    order = np.argsort(groups, kind="stable")
    edges = np.flatnonzero(np.diff(groups[order])) + 1
    return [members for members in np.split(order, edges) if len(members) > 1]
