"""Classify an image by the most similar training images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils.validation import check_is_fitted


class Neighbours(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """scikit-learn's `KNeighborsClassifier`; if there are fewer than k rows, all of them vote.

    Inner folds are smaller than the training set, so a suitable k may exceed their number of rows.
    Attributes have the names of the arguments because `sklearn.base.clone` requires it.
    """

    classes_: NDArray[np.int64]

    def __init__(self, *, k: int = 15, weights: str = "distance", metric: str = "cosine") -> None:
        self.k = k
        self.weights = weights
        self.metric = metric

    def fit(self, X: NDArray[np.float32], y: NDArray[np.int64]) -> Neighbours:
        """Store the (n, d) features and (n,) labels."""
        search = KNeighborsClassifier(min(self.k, len(X)), weights=self.weights, metric=self.metric)
        self.search_ = search.fit(X, y)
        self.classes_ = search.classes_
        return self

    def predict(self, X: NDArray[np.float32]) -> NDArray[np.int64]:
        """(n, d) -> (n,) labels; ties go to the first class."""
        check_is_fitted(self)
        labels: NDArray[np.int64] = self.search_.predict(X)
        return labels

    def predict_proba(self, X: NDArray[np.float32]) -> NDArray[np.floating]:
        """(n, d) -> (n, n_classes) shares of the votes, in the order of `classes_`."""
        check_is_fitted(self)
        shares: NDArray[np.floating] = self.search_.predict_proba(X)
        return shares
