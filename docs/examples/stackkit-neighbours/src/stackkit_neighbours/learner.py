"""Classify an image by the training images that are most like it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils.validation import check_is_fitted


class Neighbours(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """scikit-learn's `KNeighborsClassifier`, which votes with all rows where there are fewer than k.

    Folds inside the training rows are smaller than the training rows; a k that suits these must
    not be an error there. The arguments keep their names: `sklearn.base.clone` makes copies by them.
    """

    classes_: NDArray[np.int64]

    def __init__(self, *, k: int = 15, weights: str = "distance", metric: str = "cosine") -> None:
        self.k = k
        self.weights = weights
        self.metric = metric

    def fit(self, X: NDArray[np.float32], y: NDArray[np.int64]) -> Neighbours:
        """Keep the (n, d) features and (n,) labels; there is nothing to optimise."""
        search = KNeighborsClassifier(min(self.k, len(X)), weights=self.weights, metric=self.metric)
        self.search_ = search.fit(X, y)
        self.classes_ = search.classes_
        return self

    def predict(self, X: NDArray[np.float32]) -> NDArray[np.int64]:
        """(n, d) -> (n,) labels; the first of equal classes wins."""
        check_is_fitted(self)
        labels: NDArray[np.int64] = self.search_.predict(X)
        return labels

    def predict_proba(self, X: NDArray[np.float32]) -> NDArray[np.floating]:
        """(n, d) -> (n, n_classes): each class's share of the votes, in the order of `classes_`."""
        check_is_fitted(self)
        shares: NDArray[np.floating] = self.search_.predict_proba(X)
        return shares
