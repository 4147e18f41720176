"""Multinomial logistic regression for many classes at once."""

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

from stackkit_plugins.linear_solvers.design import Design, Preconditioner
from stackkit_plugins.linear_solvers.lbfgs import LBFGS, Point

Array = NDArray[Any]

# How much curvature the preconditioner assumes, and nothing else, hangs on these. Found on features
# of CUB's size and of photographs, C from 0.01 to 1e4; half or twice as much costs a tenth more.
_START = 40.0  # at first: trace of c X'X, in units of the penalty
_SHARE = 1 / 8  # later: of the mean p (1 - p) at the point, as most rows are sure and some are not
_REFRESH = (10, 20, 40, 80)  # iterations at which it is looked up
_PATIENCE = {False: 20, True: 200}  # steps without a smaller gap, in float32 and in float64
_TINY = float(np.finfo(np.float64).tiny)


class BatchedLogisticRegression(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """The minimum that `sklearn.linear_model.LogisticRegression(C, ...)` looks for, found faster.

    C, fit_intercept, class_weight ("balanced", a dict or None) and warm_start mean the same, with
    two classes too; coef_, intercept_, n_iter_ and the probabilities have the same shape.

    tol: the fit has converged when its objective is proven to be within a share tol^2 of the
    minimum (1e-4: 1e-8). The proof is the duality gap |g|^2 / (2 l): l = 1 / C, g the gradient by
    the coefficients; half the Newton decrement of the intercepts, which have no penalty, is added.
    `gap_` is that share. A fit that stops without the proof, after max_iter iterations or where
    float64 ends, raises a ConvergenceWarning.
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
        """X (n, d) float32 or float64, which decides in what most products are computed; y (n,)."""
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32])
        check_classification_targets(y)
        self.classes_, truth = np.unique(y, return_inverse=True)
        n_classes = len(self.classes_)
        if n_classes < 2:
            raise ValueError(f"two classes or more wanted, got the one class {self.classes_[0]}")
        weights = compute_class_weight(self.class_weight, classes=self.classes_, y=y)[truth]
        rows, into, back = _row_space(X)
        problem = _Problem(
            design=Design(rows, weights, fit_intercept=self.fit_intercept),
            truth=truth,
            weights=weights,
            # Two classes have one coefficient vector v in scikit-learn; here they have -v/2 and v/2.
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
                f"above its minimum, tol^2 = {self.tol**2:.1e} is wanted: raise max_iter or tol",
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
        """(n, n_classes); (n,) for two classes."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        scores: Array = X @ self.coef_.T + self.intercept_
        return scores.ravel() if scores.shape[1] == 1 else scores

    def predict(self, X: Array) -> Array:
        """(n,) labels."""
        scores = self.decision_function(X)
        likeliest: Array = (scores > 0).astype(np.intp) if scores.ndim == 1 else scores.argmax(axis=1)
        labels: Array = self.classes_[likeliest]
        return labels

    def predict_proba(self, X: Array) -> Array:
        """(n, n_classes)."""
        scores = self.decision_function(X)
        if scores.ndim == 1:
            return np.stack([expit(-scores), expit(scores)], axis=1)
        probabilities: Array = softmax(scores, axis=1)
        return probabilities


class _Facts(NamedTuple):
    """What an evaluation tells beside the gradient; residuals (n, K) are weight * (p - truth)."""

    objective: float
    curvature: float
    residuals: Array


class _Problem:
    """sum_i w_i log-loss_i + penalty / 2 |coefficients|^2, by a model (d + 1, K)."""

    def __init__(
        self, *, design: Design, truth: Array, weights: Array, penalty: float, n_classes: int
    ) -> None:
        self.design, self.truth, self.weights = design, truth, weights
        self.penalty, self.n_classes = penalty, n_classes
        self._each = np.arange(len(truth))

    def minimise(self, start: Array, wanted: float, max_iter: int) -> tuple[Array, float, int]:
        """Model, proven gap, iterations: in float32 as far as that goes, and then in float64."""
        design, search = self.design, LBFGS(self._evaluate)
        gram = design.gram(self.weights)
        point, iterations = search.start(start), 0
        curvature = _SHARE * point.facts.curvature
        if not start.any():  # no row is sure of anything yet, and soon nearly all are
            curvature = min(
                1 / self.n_classes, _START * self.penalty / max(float(np.trace(gram)), _TINY)
            )
        precondition = Preconditioner(gram, design.total, self.penalty, max(curvature, _TINY))
        gaps = [self._gap(point)]
        while True:
            following = None
            # Where many steps have not lowered the gap, rounding errors are all that is left.
            idle = len(gaps) - 1 - gaps.index(min(gaps))
            if gaps[-1] > wanted and idle < _PATIENCE[design.exact]:
                if iterations == max_iter:
                    break
                if iterations in _REFRESH:
                    curvature = max(_SHARE * point.facts.curvature, _TINY)
                    precondition = Preconditioner(gram, design.total, self.penalty, curvature)
                following = search.step(point, precondition)
                iterations += following is not None
            if following is None:
                if design.exact:
                    break
                design.exact = True
                following, gaps = search.start(point.x), []
            point = following
            gaps.append(self._gap(point))
        return point.x, gaps[-1], iterations

    def _evaluate(self, model: Array) -> tuple[Array, _Facts]:
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
        """How far above its minimum the objective can be, as a share of it.

        The dual objective at the probabilities p of the model is the primal one minus
        |g|^2 / (2 l), if the intercepts' gradient is zero; as it nearly is, add g' H^-1 g / 2.
        """
        slopes, constants = point.gradient[:-1], point.gradient[-1]
        gap = float(np.vdot(slopes, slopes)) / (2 * self.penalty)
        if constants.any():
            p = point.facts.residuals / self.weights[:, None].astype(point.facts.residuals.dtype)
            p[self._each, self.truth] += 1
            hessian = np.diag(self.weights @ p) - (p * self.weights[:, None]).T @ p
            # Adding the same to all intercepts changes nothing: what is seen there is rounding.
            constants = constants - constants.mean()
            hessian[np.diag_indices(self.n_classes)] += max(1e-10 * float(np.trace(hessian)), _TINY)
            gap += float(constants @ np.linalg.solve(hessian, constants)) / 2
        # No sum in float64 can prove more than its own rounding.
        return max(gap / float(point.facts.objective), float(np.finfo(np.float64).eps))


def _row_space(X: Array) -> tuple[Array, Callable[[Array], Array], Callable[[Array], Array]]:
    """Rows Z (n, n) with ZZ' = XX' where X is more than twice as wide as long; the ways in and back.

    The optimal coefficients are combinations W = A X of rows and |W| is all the penalty sees, so
    a rotation into the space of the rows loses nothing (representer theorem; Hastie and
    Tibshirani, Efficient quadratic regularization for expression arrays, Biostatistics 5 (2004)).
    """
    n, d = X.shape
    if 2 * n >= d:
        return X, lambda coefficients: coefficients, lambda coefficients: coefficients
    gram = np.zeros((n, n))
    for start in range(0, d, 1024):
        block = X[:, start : start + 1024].astype(np.float64)
        gram += block @ block.T
    # Duplicated rows leave the gram matrix singular: lift it by what rounding has left uncertain.
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
