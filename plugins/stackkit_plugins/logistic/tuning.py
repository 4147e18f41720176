"""Select C of a logistic regression within the training rows."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.metrics import log_loss
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from stackkit_plugins.shared.linear_learners.inner_splits import Split, inner_splits

PATH = tuple(10.0 ** (step / 2) for step in range(-8, 9))
"""Values of C from 0.0001 to 10,000, two per decade, strongest regularisation first."""

STOP_RATIO = 1.05
"""The search ends when the held-out loss exceeds its minimum by this ratio."""


class TunedLogistic(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):  # type: ignore[misc]
    """A logistic regression that selects the C with the lowest log-loss on held-out rows.

    Parameters
    ----------
    estimator : estimator
        A logistic regression with `warm_start`, alone or at the end of a pipeline; cloned, never
        fitted itself.
    seed : int
        Decides which rows are held out together.

    Attributes
    ----------
    C_ : float
        The selected C; of equals the strongest regularisation.
    losses_ : dict of float to float
        Mean log-loss of the held-out rows for every C that was tried.
    estimator_ : estimator
        Fitted on all rows from scratch, so `C="auto"` gives bit for bit what C=`C_` would.
    classes_ : ndarray of shape (n_classes,)

    Notes
    -----
    scikit-learn's `LogisticRegressionCV` is not used, because it converts features to float64, and
    because a pipeline before it would compute its statistics from held-out rows too.

    """

    def __init__(self, estimator: Any, *, seed: int = 0) -> None:
        self.estimator = estimator
        self.seed = seed

    def fit(
        self,
        X: NDArray[np.floating],
        y: NDArray[np.int64],
        groups: NDArray[np.int64] | None = None,
    ) -> Self:
        """Select C, then fit on all rows; X (n_samples, n_features), y (n_samples,).

        Rows with the same number in `groups`, (n_samples,), are held out together.
        """
        self.losses_ = self._held_out_losses(X, y, inner_splits(y, seed=self.seed, groups=groups))
        if not self.losses_:
            images = "images" if groups is None else "groups"
            warnings.warn(f"no class has two {images}, so C=auto uses C=1", UserWarning, stacklevel=2)
        # Losses are in ascending order of C, and `min` returns the first: the strongest regularisation.
        self.C_ = min(self.losses_, key=self.losses_.__getitem__, default=1.0)
        self.estimator_ = clone(self.estimator)
        # A fresh clone without warm_start: the result must not depend on the search.
        _logistic(self.estimator_).set_params(C=self.C_)
        self.estimator_.fit(X, y)
        self.classes_ = self.estimator_.classes_
        return self

    def _held_out_losses(
        self, X: NDArray[np.floating], y: NDArray[np.int64], splits: list[Split]
    ) -> dict[float, float]:
        # One estimator per split walks along PATH; each fit starts from the solution for the previous
        # C, which is close. With little regularisation a fit takes longest, so C ascends and the walk
        # stops early.
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
            # Over all held-out rows at once: the mean of the splits' means would weight rows unequally.
            losses[C] = total / held_out
            if losses[C] > STOP_RATIO * min(losses.values()):
                break
        return losses

    def predict(self, X: NDArray[np.floating]) -> NDArray[np.int64]:
        """(n_samples, n_features) -> (n_samples,) labels."""
        check_is_fitted(self)
        labels: NDArray[np.int64] = self.estimator_.predict(X)
        return labels

    def predict_proba(self, X: NDArray[np.floating]) -> NDArray[np.floating]:
        """(n_samples, n_features) -> (n_samples, n_classes), columns in the order of `classes_`."""
        check_is_fitted(self)
        probabilities: NDArray[np.floating] = self.estimator_.predict_proba(X)
        return probabilities


def _logistic(estimator: Any) -> Any:
    """Return the logistic regression itself, also at the end of a pipeline."""
    return estimator[-1] if isinstance(estimator, Pipeline) else estimator
