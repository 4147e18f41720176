"""Rotate wide features into the space of their rows, where a linear model is as small as it can be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular

Array = NDArray[Any]

_TINY = float(np.finfo(np.float64).tiny)


def row_space(X: Array) -> tuple[Array, Callable[[Array], Array], Callable[[Array], Array]]:
    """Rotate X into the space of its rows if it has more than twice as many columns as rows.

    Returns
    -------
    rows : ndarray of shape (n, n)
        Z with ZZ' = XX'; X itself if it is not that wide.
    into, back : callable
        Convert coefficients (n_classes, n_features) for X to coefficients for Z, and back.

    Notes
    -----
    The optimal coefficients W are combinations of rows, W = A X, and the penalty depends on |W|
    alone. A rotation into the space of the rows therefore loses nothing (representer theorem).

    References
    ----------
    T. Hastie and R. Tibshirani, "Efficient quadratic regularization for expression arrays",
    Biostatistics 5, 2004.

    """
    n, d = X.shape
    if 2 * n >= d:
        return X, lambda coefficients: coefficients, lambda coefficients: coefficients
    gram = np.zeros((n, n))
    # In float64, as squaring doubles the number of digits lost; in blocks, to not convert all of X.
    for start in range(0, d, 1024):
        block = X[:, start : start + 1024].astype(np.float64)
        gram += block @ block.T
    # Duplicated rows make the gram matrix singular and Cholesky fail: raise its diagonal by what
    # rounding leaves uncertain.
    gram[np.diag_indices(n)] += max(np.finfo(np.float64).eps * float(np.trace(gram)), _TINY)
    rows = cholesky(gram, lower=True, overwrite_a=True, check_finite=False)

    def into(coefficients: Array) -> Array:
        inside: Array = solve_triangular(rows, X @ coefficients.T, lower=True, check_finite=False).T
        return inside

    def back(coefficients: Array) -> Array:
        combination = solve_triangular(rows, coefficients.T, trans="T", lower=True, check_finite=False)
        outside: Array = combination.T @ X
        return outside

    return rows, into, back
