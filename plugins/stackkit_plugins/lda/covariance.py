"""The inverse of a shrunk covariance, through one factorisation of the smaller of two matrices."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, solve_triangular

from stackkit_plugins.shared.linear_learners.centred_rows import CentredRows

Array = NDArray[np.float64]


class ShrunkCovariance:
    """share * R'R + ridge * I.

    Parameters
    ----------
    rows : CentredRows
        R, (n, d).
    share : float
        From 0 to 1.
    ridge : float
        Above 0.
    products : ndarray of shape (d, d) or None
        R'R of more rows than `rows`, of which only the lower triangle is read; None: of `rows`.

    Notes
    -----
    If R has more columns than rows, its inverse is (I - share * R' K R) / ridge, with K the inverse of
    share * RR' + ridge * I, which is (n, n): the Woodbury identity.

    """

    def __init__(
        self, rows: CentredRows, share: float, ridge: float, products: Array | None = None
    ) -> None:
        self._rows, self._share, self._ridge = rows, share, ridge
        self._is_wide = products is None and rows.is_wide
        if products is None:
            products = rows.row_products() if self._is_wide else rows.column_products()
        self._products = products if self._is_wide else None
        matrix = share * products
        matrix[np.diag_indices_from(matrix)] += ridge
        self._factor, _ = cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False)

    def solve(self, right: Array) -> Array:
        """Multiply (d, m) by the inverse."""
        if not self._is_wide:
            return self._solved(right)
        inside = self._solved(self._rows.times(right))
        return (right - self._share * self._rows.transposed_times(inside)) / self._ridge

    def between(self) -> Callable[[NDArray[np.int64]], Array]:
        """Return a function of m rows' numbers: their block, (m, m), of R times the inverse times R'."""
        if self._products is not None:
            blocks = self._solved(self._products)
            return lambda members: blocks[np.ix_(members, members)]
        half = np.empty(self._rows.X.shape)
        for rows, block in self._rows.blocks():
            half[rows] = solve_triangular(self._factor, block.T, lower=True, check_finite=False).T
        return lambda members: half[members] @ half[members].T

    def _solved(self, right: Array) -> Array:
        solution: Array = cho_solve((self._factor, True), right, check_finite=False)
        return solution
