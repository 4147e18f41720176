"""Classify an image by the most similar training images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils.validation import check_is_fitted

from stackkit.api import State


class Neighbours(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """scikit-learn's `KNeighborsClassifier`; if there are fewer than k rows, all of them vote.

    Inner folds are smaller than the training set, so a suitable k may exceed their number of rows.
    Attributes have the names of the arguments because `sklearn.base.clone` requires it.
    """

    classes_: NDArray[np.int64]
    rows_: NDArray[np.float32]
    labels_: NDArray[np.int64]

    def __init__(self, *, k: int = 15, weights: str = "distance", metric: str = "cosine") -> None:
        self.k = k
        self.weights = weights
        self.metric = metric

    def fit(self, X: NDArray[np.float32], y: NDArray[np.int64]) -> Neighbours:
        """Store the (n, d) features and (n,) labels."""
        search = KNeighborsClassifier(min(self.k, len(X)), weights=self.weights, metric=self.metric)
        self.rows_, self.labels_ = X, y
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


def state(fitted: Neighbours) -> State:
    """Return the training rows and their labels, from which `fit` makes the same learner again."""
    return State(arrays={"rows": fitted.rows_, "labels": fitted.labels_})


def restore(state: State, *, k: int, weights: str, metric: str) -> Neighbours:
    """Return the fitted learner again; the state may come from a damaged file."""
    rows, labels = (state.arrays.get(name, np.empty(0)) for name in ("rows", "labels"))
    if rows.ndim != 2 or labels.shape != (len(rows),):
        raise ValueError(f"labels of shape {labels.shape} do not fit rows of shape {rows.shape}")
    return Neighbours(k=k, weights=weights, metric=metric).fit(rows, labels)
