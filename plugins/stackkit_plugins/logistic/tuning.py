"""Select C of a logistic regression within the training rows."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.pipeline import Pipeline
from sklearn.utils import compute_class_weight
from sklearn.utils.validation import check_is_fitted, validate_data

from stackkit_plugins.shared.linear_learners.inner_splits import Split, inner_splits
from stackkit_plugins.shared.linear_solvers import LogisticPath

PATH = tuple(10.0 ** (step / 2) for step in range(-8, 9))
"""Values of C from 0.0001 to 10,000, two per decade, strongest regularisation first."""

STOP_RATIO = 1.05
"""The search ends when the held-out loss exceeds its minimum by this ratio."""

GAP = 0.01
"""How far a fit of the search may be above its minimum, as a share of it.

Near their minimum, held-out losses are then within about 1 % of those of exact fits, and the exact loss
of the selected C within 0.5 % of the lowest one.
"""


class TunedLogistic(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):  # type: ignore[misc]
    """A logistic regression that selects the C with the lowest log-loss on held-out rows.

    Parameters
    ----------
    estimator : estimator
        A logistic regression with `C`, `class_weight`, `fit_intercept` and `max_iter`, alone or at the
        end of a pipeline; cloned, never fitted itself.
    seed : int
        Decides which rows are held out together.

    Attributes
    ----------
    C_ : float
        The selected C; of equals the strongest regularisation.
    losses_ : dict of float to float
        Mean log-loss of the held-out rows for every C that was tried.
    search_cost_ : float
        Iterations of the search times the rows that each learned from, divided by all rows: comparable
        to the number of iterations of one fit.
    estimator_ : estimator
        Fitted on all rows from scratch, so `C="auto"` gives bit for bit what C=`C_` would.
    classes_ : ndarray of shape (n_classes,)

    Notes
    -----
    The search uses `LogisticPath` whatever the solver of `estimator`: the problem is the same, and a
    choice needs no exact fits.

    scikit-learn's `LogisticRegressionCV` is not used, because it fits every C exactly, because it
    converts features to float64, and because a pipeline before it would compute its statistics from
    held-out rows too.

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
        X, y = validate_data(self, X, y, dtype=[np.float64, np.float32])
        self.classes_, codes = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(f"y must have at least two classes, got only class {self.classes_[0]}")
        splits = inner_splits(codes, seed=self.seed, groups=groups)
        self.losses_ = self._held_out_losses(X, codes, splits)
        if not self.losses_:
            images = "images" if groups is None else "groups"
            warnings.warn(f"no class has two {images}, so C=auto uses C=1", UserWarning, stacklevel=2)
        # Losses are in ascending order of C, and `min` returns the first: the strongest regularisation.
        self.C_ = min(self.losses_, key=self.losses_.__getitem__, default=1.0)
        self.estimator_ = clone(self.estimator)
        _logistic(self.estimator_).set_params(C=self.C_)
        self.estimator_.fit(X, y)
        return self

    def _held_out_losses(
        self, X: NDArray[np.floating], codes: NDArray[np.int64], splits: list[Split]
    ) -> dict[float, float]:
        """Walk along PATH fold by fold, so that one fold's rows are in memory at a time."""
        totals: dict[float, float] = dict.fromkeys(PATH, 0.0) if splits else {}
        self.search_cost_ = 0.0
        for split in splits:
            so_far: dict[float, float] = {}
            # Each fold ends where the loss of all folds up to it has risen. Weak regularisation costs
            # most iterations, so C ascends and the walk stops early.
            for C, loss in self._walk(X, codes, split, totals):
                so_far[C] = totals[C] + loss
                if so_far[C] > STOP_RATIO * min(so_far.values()):
                    break
            totals = so_far
        # Over all held-out rows at once: the mean of the splits' means would weight rows unequally.
        held_out = sum(len(test) for _, test in splits)
        return {C: total / held_out for C, total in totals.items()}

    def _walk(
        self, X: NDArray[np.floating], codes: NDArray[np.int64], split: Split, Cs: Iterable[float]
    ) -> Iterator[tuple[float, float]]:
        """Yield every C with the summed log-loss of the rows that a split holds out."""
        train, test = split
        rows, held_out = X[train], X[test]
        if isinstance(self.estimator, Pipeline):  # its statistics are those of the rows to fit on
            before = clone(self.estimator[:-1])
            rows, held_out = before.fit_transform(rows), before.transform(held_out)
        logistic, labels = _logistic(self.estimator), self.classes_[codes[train]]
        weights = compute_class_weight(logistic.class_weight, classes=self.classes_, y=labels)
        path = LogisticPath(
            rows,
            codes[train],
            weights=weights[codes[train]],
            fit_intercept=logistic.fit_intercept,
            gap=GAP,
            max_iter=logistic.max_iter,
        )
        for C in Cs:
            coefficients, intercepts, iterations = path.follow(C)
            self.search_cost_ += iterations * len(train) / len(codes)
            scores = held_out @ coefficients.T.astype(held_out.dtype) + intercepts
            yield C, -float(log_softmax(scores, axis=1)[np.arange(len(test)), codes[test]].sum())

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
