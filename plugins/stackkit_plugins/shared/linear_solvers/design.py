"""The design matrix of a linear model, multiplied without copying or converting all rows at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular

Array = NDArray[Any]

_BLOCK_ROWS = 1024


class Design:
    """Centred rows with a constant column: what a model of shape (d + 1, n_classes) multiplies.

    Parameters
    ----------
    X : ndarray of shape (n, d), float32 or float64
        Read as it is, never copied as a whole.
    weights : ndarray of shape (n,), float64
        Weights of the rows.
    fit_intercept : bool
        Whether rows are centred and the last row of a model is used.

    Attributes
    ----------
    total : float
        Sum of the weights.
    mean : ndarray of shape (d,), float64
        Weighted mean of the rows; zero without an intercept.
    exact : bool
        Whether products are computed in float64; set it to True to continue a float32 fit.

    Notes
    -----
    Centring changes the intercept and nothing else. Pooled activations are non-negative, so their
    mean is by far the longest direction of the rows; without it the problem is much better
    conditioned. The mean is subtracted in the products and not from X, which would need a copy.

    """

    def __init__(self, X: Array, weights: Array, *, fit_intercept: bool) -> None:
        self.X, self.fit_intercept = X, fit_intercept
        self.total = float(weights.sum())
        self.mean = np.zeros(X.shape[1])
        if fit_intercept:
            for rows in self._blocks():
                self.mean += weights[rows] @ X[rows].astype(np.float64)
            self.mean /= self.total
        self.exact = X.dtype == np.float64

    @property
    def dtype(self) -> type[np.floating[Any]]:
        """Data type of the products."""
        return np.float64 if self.exact else np.float32

    def scores(self, model: Array) -> Array:
        """Multiply by a model, (d + 1, n_classes) -> (n, n_classes)."""
        slopes = model[:-1].astype(self.dtype, copy=False)
        scores = np.empty((len(self.X), model.shape[1]), self.dtype)
        for rows in self._converted():
            np.matmul(self.X[rows].astype(self.dtype, copy=False), slopes, out=scores[rows])
        # (x - mean) W + b = x W + (b - mean W): the small correction is computed in float64.
        scores += (model[-1] - self.mean @ model[:-1]).astype(self.dtype)
        return scores

    def transposed(self, residuals: Array) -> Array:
        """Multiply by the transpose, (n, n_classes) -> (d + 1, n_classes) in float64."""
        result = np.zeros((self.X.shape[1] + 1, residuals.shape[1]))
        for rows in self._converted():
            result[:-1] += self.X[rows].astype(self.dtype, copy=False).T @ residuals[rows]
        if self.fit_intercept:
            result[-1] = residuals.sum(axis=0, dtype=np.float64)
            result[:-1] -= np.outer(self.mean, result[-1])
        return result

    def gram(self, weights: Array) -> Array:
        """Return the weighted second moments of the centred rows, (d, d)."""
        gram = np.zeros((self.X.shape[1],) * 2, self.X.dtype)
        for rows in self._blocks():
            # Here rows are centred before the product: the difference of two large matrices would
            # lose the small eigenvalues to rounding.
            centred = (self.X[rows] - self.mean) * np.sqrt(weights[rows])[:, None]
            centred = centred.astype(self.X.dtype, copy=False)
            gram += centred.T @ centred
        return gram

    def original(self, model: Array) -> tuple[Array, Array]:
        """Return coefficients (n_classes, d) and intercepts (n_classes,) for uncentred rows."""
        return np.ascontiguousarray(model[:-1].T), model[-1] - self.mean @ model[:-1]

    def centred(self, coefficients: Array, intercepts: Array) -> Array:
        """Return the model (d + 1, n_classes) that `original` converts to these; its inverse."""
        return np.vstack([coefficients.T, intercepts + coefficients @ self.mean]).astype(np.float64)

    def _blocks(self) -> Iterator[slice]:
        return (slice(start, start + _BLOCK_ROWS) for start in range(0, len(self.X), _BLOCK_ROWS))

    def _converted(self) -> Iterator[slice]:
        """Yield blocks if rows must be converted, else all rows at once (one fast product)."""
        return self._blocks() if self.X.dtype != self.dtype else iter([slice(None)])


class Preconditioner:
    """Approximate the inverse Hessian by (c X'X + penalty I)^-1, through a Cholesky factor.

    Boehning's upper bound of the Hessian of multinomial logistic regression has this form, with a
    c that holds everywhere. At the solution most rows are classified with certainty and the
    curvature is far below the bound, so c is a parameter here.

    Parameters
    ----------
    gram : ndarray of shape (d, d)
        `Design.gram`.
    total : float
        Sum of the rows' weights.
    penalty : float
        Weight of the squared coefficients, above 0.
    curvature : float
        c, above 0.

    References
    ----------
    D. Boehning, "Multinomial logistic regression algorithm", Annals of the Institute of
    Statistical Mathematics 44, 1992.

    """

    def __init__(self, gram: Array, total: float, penalty: float, curvature: float) -> None:
        scaled = curvature * gram
        # With a tiny penalty the matrix can be singular in float32, and Cholesky would fail. A
        # preconditioner may be inexact, so the diagonal is raised to what rounding leaves uncertain.
        floor = 10 * len(gram) ** 0.5 * np.finfo(gram.dtype).eps * float(np.trace(scaled))
        scaled[np.diag_indices_from(scaled)] += max(penalty, floor)
        self._factor = cholesky(scaled, lower=True, overwrite_a=True, check_finite=False)
        self._intercept = max(curvature * total, np.finfo(np.float64).tiny)

    def __call__(self, gradient: Array) -> Array:
        """Apply it to a gradient, (d + 1, n_classes) -> (d + 1, n_classes)."""
        result = np.empty_like(gradient)
        inner = gradient[:-1].astype(self._factor.dtype)
        for trans in ("N", "T"):
            inner = solve_triangular(
                self._factor, inner, lower=True, trans=trans, overwrite_b=True, check_finite=False
            )
        result[:-1] = inner
        result[-1] = gradient[-1] / self._intercept
        return result
