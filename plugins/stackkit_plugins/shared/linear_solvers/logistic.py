"""Multinomial logistic regression that fits all classes at once in batched matrix products."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from stackkit_plugins.shared.linear_solvers.design import Design, Preconditioner
from stackkit_plugins.shared.linear_solvers.lbfgs import LBFGS, Point

Array = NDArray[Any]

# The next three decide only which curvature the preconditioner assumes, and so the number of
# iterations, not the result. Tuned on features of photographs and of CUB-200-2011's size with C from
# 0.01 to 1e4; half or twice these values costs about 10 % more iterations.
_INITIAL_TRACE = 40.0  # initially: trace of c X'X, in units of the penalty
_CURVATURE_SHARE = 1 / 8  # later: share of the mean p (1 - p), since few rows are uncertain
_REFRESH_AT = (10, 20, 40, 80)  # iterations after which the curvature is measured again
# Steps without a smaller gap after which only rounding errors are left; keyed by `Design.exact`.
# float64 gets more patience, because nothing more precise can take over.
_PATIENCE = {False: 20, True: 200}
_TINY = float(np.finfo(np.float64).tiny)


class BatchedLogisticRegression(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Logistic regression with the minimum of scikit-learn's `LogisticRegression`, found faster.

    Parameters
    ----------
    C : float
        Inverse of the regularisation strength, above 0.
    fit_intercept : bool
    class_weight : {"balanced"}, dict or None
    tol : float
        A fit has converged when its objective is proven to be at most a relative `tol ** 2` above
        the minimum (1e-8 for the default of 1e-4). This differs from scikit-learn, where `tol`
        bounds the gradient.
    max_iter : int
        Maximum number of iterations.
    warm_start : bool
        Whether `fit` starts from the previous solution.

    Attributes
    ----------
    coef_ : ndarray of shape (n_classes, n_features), or (1, n_features) for two classes
    intercept_ : ndarray of shape (n_classes,), or (1,) for two classes
    classes_ : ndarray of shape (n_classes,)
    n_iter_ : ndarray of shape (1,)
    gap_ : float
        Upper bound of the relative distance of the objective from its minimum.

    Notes
    -----
    L-BFGS steps are preconditioned by the second moments of the features. Most products are
    computed in the dtype of X; a float32 fit that stops improving is continued in float64.

    The proof of convergence is the duality gap |g|^2 / (2 l), with l = 1 / C and g the gradient of
    the coefficients, plus half the Newton decrement of the intercepts, which have no penalty.
    A fit that ends without the proof, after `max_iter` iterations or at the limit of float64,
    issues a `ConvergenceWarning`.

    """

    def __init__(
        self,
        *,
        C: float = 1.0,
        fit_intercept: bool = True,
        class_weight: Any = None,
        tol: float = 1e-4,
        max_iter: int = 100,
        warm_start: bool = False,
    ) -> None:
        self.C = C
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.tol = tol
        self.max_iter = max_iter
        self.warm_start = warm_start

    coef_: Array
    intercept_: Array

    def fit(self, X: Array, y: Array) -> Self:
        """Fit to X of shape (n_samples, n_features), float32 or float64, and y of shape (n_samples,)."""
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32])
        check_classification_targets(y)
        self.classes_, truth = np.unique(y, return_inverse=True)
        n_classes = len(self.classes_)
        if n_classes < 2:
            raise ValueError(f"y must have at least two classes, got only class {self.classes_[0]}")
        weights = compute_class_weight(self.class_weight, classes=self.classes_, y=y)[truth]
        rows, into, back = _row_space(X)
        problem = _Problem(
            design=Design(rows, weights, fit_intercept=self.fit_intercept),
            truth=truth,
            weights=weights,
            # For two classes scikit-learn has one coefficient vector v. Here they have -v/2 and v/2,
            # with half the sum of squares; twice the penalty gives the same problem.
            penalty=(2 if n_classes == 2 else 1) / self.C,
            n_classes=n_classes,
        )
        before: tuple[Array, Array] = np.zeros((n_classes, X.shape[1])), np.zeros(n_classes)
        if self.warm_start and hasattr(self, "coef_"):
            before = self.coef_, self.intercept_
            if n_classes == 2:
                before = self.coef_ * [[-0.5], [0.5]], self.intercept_ * [-0.5, 0.5]
        start = problem.design.centred(into(before[0]), before[1])
        model, self.gap_, iterations = problem.minimise(start, self.tol**2, self.max_iter)
        if not self.gap_ <= self.tol**2:
            warnings.warn(
                f"stopped after {iterations} iterations; the objective may be a share {self.gap_:.1e} "
                f"above its minimum, but tol^2 is {self.tol**2:.1e}: raise max_iter or tol",
                ConvergenceWarning,
                stacklevel=2,
            )
        coefficients, intercepts = problem.design.original(model)
        if n_classes == 2:
            coefficients, intercepts = np.diff(coefficients, axis=0), np.diff(intercepts)
        self.coef_ = back(coefficients).astype(X.dtype)
        self.intercept_ = intercepts.astype(X.dtype)
        self.n_iter_ = np.array([iterations], dtype=np.int32)
        return self

    def decision_function(self, X: Array) -> Array:
        """Return scores of shape (n_samples, n_classes), or (n_samples,) for two classes."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        scores: Array = X @ self.coef_.T + self.intercept_
        return scores.ravel() if scores.shape[1] == 1 else scores

    def predict(self, X: Array) -> Array:
        """(n_samples, n_features) -> (n_samples,) labels."""
        scores = self.decision_function(X)
        best: Array = (scores > 0).astype(np.intp) if scores.ndim == 1 else scores.argmax(axis=1)
        labels: Array = self.classes_[best]
        return labels

    def predict_proba(self, X: Array) -> Array:
        """(n_samples, n_features) -> (n_samples, n_classes), columns in the order of `classes_`."""
        scores = self.decision_function(X)
        if scores.ndim == 1:
            return np.stack([expit(-scores), expit(scores)], axis=1)
        probabilities: Array = softmax(scores, axis=1)
        return probabilities


class _Facts(NamedTuple):
    """What an evaluation returns beside the gradient.

    `curvature` is the weighted mean of p (1 - p) over rows and classes; `residuals` (n, n_classes)
    are weight * (p - truth).
    """

    objective: float
    curvature: float
    residuals: Array


class _Problem:
    """The objective, sum of weight * log-loss + penalty / 2 * |coefficients|^2.

    A model has shape (d + 1, n_classes); its last row are the intercepts of centred features.
    """

    def __init__(
        self, *, design: Design, truth: Array, weights: Array, penalty: float, n_classes: int
    ) -> None:
        self.design, self.truth, self.weights = design, truth, weights
        self.penalty, self.n_classes = penalty, n_classes
        self._each = np.arange(len(truth))

    def minimise(self, start: Array, target: float, max_iter: int) -> tuple[Array, float, int]:
        """Return the model, its proven relative gap and the number of iterations.

        Computes in float32 until that improves nothing, then continues in float64.
        """
        design, search = self.design, LBFGS(self._evaluate)
        gram = design.gram(self.weights)
        point, iterations = search.start(start), 0
        curvature = _CURVATURE_SHARE * point.facts.curvature
        if not start.any():
            # At zero every p is 1 / n_classes and p (1 - p) large; after a few steps most rows are
            # certain. What is measured here would be a far too large curvature.
            curvature = min(
                1 / self.n_classes, _INITIAL_TRACE * self.penalty / max(float(np.trace(gram)), _TINY)
            )
        precondition = Preconditioner(gram, design.total, self.penalty, max(curvature, _TINY))
        gaps = [self._gap(point)]
        while True:
            following = None
            # The gap does not fall at every step. If many steps have not lowered it, only rounding
            # errors are left.
            idle = len(gaps) - 1 - gaps.index(min(gaps))
            if gaps[-1] > target and idle < _PATIENCE[design.exact]:
                if iterations == max_iter:
                    break
                if iterations in _REFRESH_AT:
                    curvature = max(_CURVATURE_SHARE * point.facts.curvature, _TINY)
                    precondition = Preconditioner(gram, design.total, self.penalty, curvature)
                following = search.step(point, precondition)
                iterations += following is not None
            if following is None:
                if design.exact:
                    break
                # Converged or stuck in float32: the proof counts in float64 only.
                design.exact = True
                following, gaps = search.start(point.x), []
            point = following
            gaps.append(self._gap(point))
        return point.x, gaps[-1], iterations

    def _evaluate(self, model: Array) -> tuple[Array, _Facts]:
        # One array of shape (n, n_classes) is reused for scores, probabilities and residuals: it is
        # the largest of the fit. Sums are accumulated in float64, where float32 would lose digits.
        residuals = self.design.scores(model)
        residuals -= residuals.max(axis=1, keepdims=True)
        own = residuals[self._each, self.truth].astype(np.float64)
        np.exp(residuals, out=residuals)
        sums = residuals.sum(axis=1, dtype=np.float64)
        loss = float(self.weights @ (np.log(sums) - own))
        residuals /= sums[:, None].astype(residuals.dtype)
        uncertain = 1 - np.einsum("ik,ik->i", residuals, residuals, dtype=np.float64)
        residuals[self._each, self.truth] -= 1
        residuals *= self.weights[:, None].astype(residuals.dtype)
        gradient = self.design.transposed(residuals)
        gradient[:-1] += self.penalty * model[:-1]
        return gradient, _Facts(
            objective=loss + self.penalty / 2 * float(np.vdot(model[:-1], model[:-1])),
            curvature=float(self.weights @ uncertain) / (self.design.total * self.n_classes),
            residuals=residuals,
        )

    def _gap(self, point: Point) -> float:
        """Return an upper bound of the relative distance of the objective from its minimum.

        The dual objective at the model's probabilities is the primal one minus |g|^2 / (2 penalty)
        if the gradient of the intercepts is zero. It is only nearly zero, so half its Newton
        decrement g' H^-1 g is added.
        """
        slopes, constants = point.gradient[:-1], point.gradient[-1]
        gap = float(np.vdot(slopes, slopes)) / (2 * self.penalty)
        if constants.any():
            p = point.facts.residuals / self.weights[:, None].astype(point.facts.residuals.dtype)
            p[self._each, self.truth] += 1
            hessian = np.diag(self.weights @ p) - (p * self.weights[:, None]).T @ p
            # Adding the same number to all intercepts changes no probability. The Hessian is singular
            # in that direction, and a gradient there is rounding error.
            constants = constants - constants.mean()
            hessian[np.diag_indices(self.n_classes)] += max(1e-10 * float(np.trace(hessian)), _TINY)
            # Where all rows are classified with certainty, the Hessian is zero or rounding error. Its
            # decrement may overflow, which proves nothing, or be negative: that must not count, since
            # it would cancel the first term and prove anything.
            with np.errstate(over="ignore", invalid="ignore"):
                decrement = float(constants @ np.linalg.solve(hessian, constants))
            if not decrement < 0:  # nan counts: it is a proof of nothing
                gap += decrement / 2
        # A float64 sum cannot prove more than its own rounding error.
        return max(gap / float(point.facts.objective), float(np.finfo(np.float64).eps))


def _row_space(X: Array) -> tuple[Array, Callable[[Array], Array], Callable[[Array], Array]]:
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
