"""Multinomial logistic regression that fits all classes at once in batched matrix products."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from stackkit_plugins.shared.linear_solvers.design import Design
from stackkit_plugins.shared.linear_solvers.minimiser import Minimiser
from stackkit_plugins.shared.linear_solvers.objective import LogisticObjective
from stackkit_plugins.shared.linear_solvers.row_space import row_space

Array = NDArray[Any]


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
        rows, into, back = row_space(X)
        objective = LogisticObjective(
            design=Design(rows, weights, fit_intercept=self.fit_intercept),
            truth=truth,
            weights=weights,
            C=self.C,
            n_classes=n_classes,
        )
        before: tuple[Array, Array] = np.zeros((n_classes, X.shape[1])), np.zeros(n_classes)
        if self.warm_start and hasattr(self, "coef_"):
            before = self.coef_, self.intercept_
            if n_classes == 2:
                before = self.coef_ * [[-0.5], [0.5]], self.intercept_ * [-0.5, 0.5]
        start = objective.design.centred(into(before[0]), before[1])
        model, self.gap_, iterations = Minimiser(objective).minimise(start, self.tol**2, self.max_iter)
        if not self.gap_ <= self.tol**2:
            warnings.warn(
                f"stopped after {iterations} iterations; the objective may be a share {self.gap_:.1e} "
                f"above its minimum, but tol^2 is {self.tol**2:.1e}: raise max_iter or tol",
                ConvergenceWarning,
                stacklevel=2,
            )
        coefficients, intercepts = objective.design.original(model)
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
