"""Average probabilities and classify the averages, with mlxtend's own StackingClassifier."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
from mlxtend.classifier import StackingClassifier
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.svm import LinearSVC

from stackkit.api import FitOn

_DUAL = {"true": True, "false": False, "auto": "auto"}


class _FittedLearner(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A base learner that is already fitted and returns its slice of the given probabilities.

    With `fit_base_estimators=False` mlxtend never fits it. Base learners are therefore fitted once,
    however many aggregators there are.
    """

    def __init__(self, index: int, n_classes: int) -> None:
        self.index = index
        self.n_classes = n_classes

    def predict_proba(self, X: NDArray[np.floating]) -> NDArray[np.floating]:
        """(n_samples, n_learners * n_classes) -> this learner's (n_samples, n_classes)."""
        return X[:, self.index * self.n_classes : (self.index + 1) * self.n_classes]


class AverageSVM:
    """`StackingClassifier(..., meta_classifier=LinearSVC(), use_probas=True, average_probas=True)`.

    Parameters
    ----------
    fit_on : {"in-sample", "out-of-fold"}
        Which probabilities of the training rows `fit` gets.
    dual : {"true", "false", "auto"}
        `dual` of `LinearSVC`.
    seed : int
        `random_state` of `LinearSVC`.
    **svm
        Further arguments of `LinearSVC`: C, class_weight, max_iter, tol.

    Attributes
    ----------
    classes_ : ndarray of shape (n_seen,)
        Labels that have training samples, in the order of the decision values.
    n_learners_ : int
        Number of base learners.

    References
    ----------
    Y. Resheff, "Transfer learning from multiple pre-trained computer vision models", 2017;
    `mlxtend.classifier.StackingClassifier`.

    """

    def __init__(self, *, fit_on: FitOn, dual: str, seed: int, **svm: Any) -> None:
        self.fit_on = fit_on
        self._svm = LinearSVC(dual=_DUAL[dual], random_state=seed, **svm)
        self._stack: StackingClassifier | None = None

    def fit(self, probabilities: NDArray[np.floating], labels: NDArray[np.int64]) -> Self:
        """Fit the meta-classifier on (n_learners, n_samples, n_classes) probabilities."""
        n_learners, _, n_classes = probabilities.shape
        stack = StackingClassifier(
            [_FittedLearner(index, n_classes) for index in range(n_learners)],
            meta_classifier=self._svm,
            use_probas=True,
            average_probas=True,
            fit_base_estimators=False,
            use_clones=False,
        )
        with warnings.catch_warnings():
            # mlxtend warns whenever base learners are not refitted; here that is intended.
            warnings.filterwarnings("ignore", message="fit_base_estimators=False")
            stack.fit(_side_by_side(probabilities), labels)
        self._stack = stack
        self.n_learners_ = n_learners
        self.classes_ = self.svm_.classes_
        return self

    def predict(self, probabilities: NDArray[np.floating]) -> NDArray[np.int64]:
        """(n_learners, n_samples, n_classes) -> (n_samples,) labels."""
        labels: NDArray[np.int64] = self._fitted.predict(_side_by_side(probabilities))
        return labels

    def decision_function(self, probabilities: NDArray[np.floating]) -> NDArray[np.floating]:
        """(n_learners, n_samples, n_classes) -> (n_samples, n_seen); (n_samples,) for two classes."""
        mean = self._fitted.predict_meta_features(_side_by_side(probabilities))
        values: NDArray[np.floating] = self.svm_.decision_function(mean)
        return values

    @property
    def svm_(self) -> LinearSVC:
        """The fitted machine."""
        return self._fitted.meta_clf_

    @property
    def _fitted(self) -> StackingClassifier:
        if self._stack is None:
            raise ValueError("call fit before predict")
        return self._stack


def _side_by_side(probabilities: NDArray[np.floating]) -> NDArray[np.floating]:
    """(n_learners, n_samples, n_classes) -> (n_samples, n_learners * n_classes)."""
    return np.concatenate(probabilities, axis=1)
