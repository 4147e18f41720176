"""The rows of a linear model with a constant column, multiplied without copying or converting them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular

Array = NDArray[Any]

_BLOCK = 1024


class Design:
    """X (n, d) minus its mean, with a last column of ones: what a model (d + 1, K) multiplies.

    Moving the origin to the mean changes the intercept and nothing else, and takes away the one
    direction in which non-negative features are longest. It is done in the products: X is read
    as it is, float32 by float32, or block by block as float64 where `exact`.
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
        """What products are computed in."""
        return np.float64 if self.exact else np.float32

    def scores(self, model: Array) -> Array:
        """(d + 1, K) -> (n, K)."""
        slopes = model[:-1].astype(self.dtype, copy=False)
        scores = np.empty((len(self.X), model.shape[1]), self.dtype)
        for rows in self._converted():
            np.matmul(self.X[rows].astype(self.dtype, copy=False), slopes, out=scores[rows])
        scores += (model[-1] - self.mean @ model[:-1]).astype(self.dtype)
        return scores

    def transposed(self, residuals: Array) -> Array:
        """(n, K) -> (d + 1, K) in float64."""
        result = np.zeros((self.X.shape[1] + 1, residuals.shape[1]))
        for rows in self._converted():
            result[:-1] += self.X[rows].astype(self.dtype, copy=False).T @ residuals[rows]
        if self.fit_intercept:
            result[-1] = residuals.sum(axis=0, dtype=np.float64)
            result[:-1] -= np.outer(self.mean, result[-1])
        return result

    def gram(self, weights: Array) -> Array:
        """(d, d): the centred rows' weighted second moments."""
        gram = np.zeros((self.X.shape[1],) * 2, self.X.dtype)
        for rows in self._blocks():
            centred = (self.X[rows] - self.mean) * np.sqrt(weights[rows])[:, None]
            centred = centred.astype(self.X.dtype, copy=False)
            gram += centred.T @ centred
        return gram

    def original(self, model: Array) -> tuple[Array, Array]:
        """Coefficients (K, d) and intercepts (K,) for rows whose mean was not taken away."""
        return np.ascontiguousarray(model[:-1].T), model[-1] - self.mean @ model[:-1]

    def centred(self, coefficients: Array, intercepts: Array) -> Array:
        """The model (d + 1, K) that `original` turns into these."""
        return np.vstack([coefficients.T, intercepts + coefficients @ self.mean]).astype(np.float64)

    def _blocks(self) -> Iterator[slice]:
        return (slice(start, start + _BLOCK) for start in range(0, len(self.X), _BLOCK))

    def _converted(self) -> Iterator[slice]:
        """All rows at once unless they have to be converted."""
        return self._blocks() if self.X.dtype != self.dtype else iter([slice(None)])


class Preconditioner:
    """(c X'X + l I)^-1 by a Cholesky factor: Boehning's bound of the Hessian with c as a parameter.

    D. Boehning, Multinomial logistic regression algorithm, Ann. Inst. Stat. Math. 44 (1992).
    """

    def __init__(self, gram: Array, total: float, penalty: float, curvature: float) -> None:
        scaled = curvature * gram
        # An approximation may be regular where the problem is hardly so; float32 needs it to be.
        floor = 10 * len(gram) ** 0.5 * np.finfo(gram.dtype).eps * float(np.trace(scaled))
        scaled[np.diag_indices_from(scaled)] += max(penalty, floor)
        self._factor = cholesky(scaled, lower=True, overwrite_a=True, check_finite=False)
        self._intercept = max(curvature * total, np.finfo(np.float64).tiny)

    def __call__(self, gradient: Array) -> Array:
        """(d + 1, K) -> (d + 1, K)."""
        result = np.empty_like(gradient)
        inner = gradient[:-1].astype(self._factor.dtype)
        for trans in ("N", "T"):
            inner = solve_triangular(
                self._factor, inner, lower=True, trans=trans, overwrite_b=True, check_finite=False
            )
        result[:-1] = inner
        result[-1] = gradient[-1] / self._intercept
        return result
