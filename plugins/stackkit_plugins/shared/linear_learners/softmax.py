"""A classifier whose probabilities are the softmax of its scores."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted


class SoftmaxClassifier(ClassifierMixin, BaseEstimator, ABC):  # type: ignore[misc]
    """Predict from scores. Subclasses compute them, and set `classes_` and `factor_` in `fit`."""

    classes_: NDArray[np.int64]
    factor_: float

    @abstractmethod
    def decision_function(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        """(n_samples, n_features) -> scores, (n_samples, n_classes), also for two classes."""

    def predict(self, X: NDArray[np.floating]) -> NDArray[np.int64]:
        """(n_samples, n_features) -> (n_samples,) labels of the highest score."""
        check_is_fitted(self)
        labels: NDArray[np.int64] = self.classes_[self.decision_function(X).argmax(axis=1)]
        return labels

    def predict_proba(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        """(n_samples, n_features) -> (n_samples, n_classes), columns in the order of `classes_`."""
        check_is_fitted(self)
        probabilities: NDArray[np.float64] = softmax(self.factor_ * self.decision_function(X), axis=1)
        return probabilities

    def _number_classes(self, y: NDArray[np.int64]) -> NDArray[np.int64]:
        """Set `classes_` and return each row's column."""
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y must have at least two classes, got only class {self.classes_[0]}")
        return codes
