"""Turn decision values of a support vector machine into probabilities."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.utils.validation import check_is_fitted

from stackkit_plugins.linear_learners.holding_out import inner_splits


class CalibratedSVM(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):  # type: ignore[misc]
    """A machine fitted on all rows, and softmax of its decision values times one `factor_`.

    The factor makes the labels of rows likeliest that inner splits held out (Platt 1999 for the
    held-out decision values, Guo et al. 2017 for the one factor, called inverse temperature).
    scikit-learn's own temperature scaling takes labels for columns, and a class of one row for
    infinitely far; it is matched where neither matters.
    """

    def __init__(self, estimator: Any, *, seed: int = 0) -> None:
        self.estimator = estimator
        self.seed = seed

    def fit(self, X: NDArray[np.floating], y: NDArray[np.int64]) -> CalibratedSVM:
        """Fit on (n, d) features and (n,) labels, and calibrate on parts of them held out."""
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.factor_ = self._calibrated(X, codes)
        self.estimator_ = clone(self.estimator).fit(X, codes)
        return self

    def _calibrated(self, X: NDArray[np.floating], codes: NDArray[np.int64]) -> float:
        splits = inner_splits(codes, seed=self.seed)
        if not splits:
            warnings.warn("no class has two images, so nothing is calibrated", UserWarning, stacklevel=3)
            return 1.0
        values = [
            _values(clone(self.estimator).fit(X[train], codes[train]), X[test]) for train, test in splits
        ]
        return likeliest_factor(
            np.concatenate(values), np.concatenate([codes[test] for _, test in splits])
        )

    def predict(self, X: NDArray[np.floating]) -> NDArray[np.int64]:
        """(n, d) -> (n,) labels, those of the machine without probabilities."""
        check_is_fitted(self)
        labels: NDArray[np.int64] = self.classes_[self.estimator_.predict(X)]
        return labels

    def predict_proba(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        """(n, d) -> (n, n_classes), columns in the order of `classes_`."""
        check_is_fitted(self)
        probabilities: NDArray[np.float64] = softmax(self.factor_ * _values(self.estimator_, X), axis=1)
        return probabilities


def _values(machine: Any, X: NDArray[np.floating]) -> NDArray[np.float64]:
    """(n, d) -> (n, n_classes) decision values; of two classes the first has the other's negative."""
    values: NDArray[np.float64] = machine.decision_function(X)
    return values if values.ndim == 2 else np.stack([-values, values], axis=1)


def likeliest_factor(values: NDArray[np.float64], codes: NDArray[np.int64]) -> float:
    """The factor that gives softmax of (n, k) values the least log-loss; codes (n,) are columns."""
    rows = np.arange(len(codes))

    def loss(logarithm: float) -> float:
        return -float(log_softmax(np.exp(logarithm) * values, axis=1)[rows, codes].mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-10, 10)).x))
