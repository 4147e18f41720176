"""Choose C of a logistic regression inside the training rows."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.metrics import log_loss
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from stackkit_plugins.linear_learners.holding_out import Split, inner_splits

PATH = tuple(10.0 ** (step / 2) for step in range(-8, 9))
"""From 0.0001 to 10,000, two values a decade; strong regularisation comes first."""

ENOUGH = 1.05
"""The walk ends where the held-out loss is this many times its least."""


class TunedLogistic(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):  # type: ignore[misc]
    """A logistic regression, alone or at the end of a pipeline, with the C that suits held-out rows.

    All inner splits walk PATH together, each fit starting where the split's last one ended. The C
    with the least log-loss over all held-out rows is kept as `C_`, the losses per row up to where the
    walk ended as `losses_`, by C. What predicts is the estimator fitted afresh on all rows, so that
    C=auto is bit for bit what its `C_` would have given.

    LogisticRegressionCV is not used: it turns features into float64, and a pipeline before it
    would take its statistics from the held-out rows too.
    """

    def __init__(self, estimator: Any, *, seed: int = 0) -> None:
        self.estimator = estimator
        self.seed = seed

    def fit(self, X: NDArray[np.floating], y: NDArray[np.int64]) -> TunedLogistic:
        """Choose C by (n, d) features and (n,) labels, then fit on all of them."""
        self.losses_ = self._walk(X, y, inner_splits(y, seed=self.seed))
        if not self.losses_:
            warnings.warn("no class has two images, so C=auto is C=1", UserWarning, stacklevel=2)
        self.C_ = min(self.losses_, key=self.losses_.__getitem__, default=1.0)
        self.estimator_ = clone(self.estimator)
        _logistic(self.estimator_).set_params(C=self.C_)
        self.estimator_.fit(X, y)
        self.classes_ = self.estimator_.classes_
        return self

    def _walk(
        self, X: NDArray[np.floating], y: NDArray[np.int64], splits: list[Split]
    ) -> dict[float, float]:
        walkers = [clone(self.estimator) for _ in splits]
        held_out = sum(len(test) for _, test in splits)
        for walker in walkers:
            _logistic(walker).set_params(warm_start=True)
        losses: dict[float, float] = {}
        for C in PATH if splits else ():
            total = 0.0
            for walker, (train, test) in zip(walkers, splits, strict=True):
                _logistic(walker).set_params(C=C)
                probabilities = walker.fit(X[train], y[train]).predict_proba(X[test])
                total += log_loss(y[test], probabilities, labels=walker.classes_, normalize=False)
            losses[C] = total / held_out
            if losses[C] > ENOUGH * min(losses.values()):
                break
        return losses

    def predict(self, X: NDArray[np.floating]) -> NDArray[np.int64]:
        """(n, d) -> (n,) labels."""
        check_is_fitted(self)
        labels: NDArray[np.int64] = self.estimator_.predict(X)
        return labels

    def predict_proba(self, X: NDArray[np.floating]) -> NDArray[np.floating]:
        """(n, d) -> (n, n_classes), columns in the order of `classes_`."""
        check_is_fitted(self)
        probabilities: NDArray[np.floating] = self.estimator_.predict_proba(X)
        return probabilities


def _logistic(estimator: Any) -> Any:
    return estimator[-1] if isinstance(estimator, Pipeline) else estimator
