"""Convert the decision values of a support vector machine to probabilities."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin, clone
from sklearn.utils.validation import check_is_fitted

from stackkit_plugins.shared.linear_learners.inner_splits import inner_splits
from stackkit_plugins.shared.linear_learners.temperature import fit_factor


class CalibratedSVM(ClassifierMixin, MetaEstimatorMixin, BaseEstimator):  # type: ignore[misc]
    """A support vector machine with probabilities: softmax of decision values times one factor.

    Parameters
    ----------
    estimator : estimator
        A classifier with `decision_function`; cloned, never fitted itself.
    seed : int
        Decides which rows are held out together.

    Attributes
    ----------
    estimator_ : estimator
        Fitted on all rows. It alone decides the labels.
    factor_ : float
        The inverse temperature. It maximises the likelihood of the labels of rows that inner splits
        held out.
    classes_ : ndarray of shape (n_classes,)

    Notes
    -----
    Rows count equally in the calibration, also if the estimator weights classes: weights move the
    boundary, and probabilities should describe the rows as they are.

    Equals scikit-learn's `CalibratedClassifierCV(method="temperature", ensemble=False)` on the same
    folds. That class is not used, because it takes a label for the number of its column, and treats
    a class that a fold has not seen as infinitely far away.

    References
    ----------
    J. Platt, "Probabilistic outputs for support vector machines", 1999, for calibrating on held-out
    decision values. C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On calibration of modern
    neural networks", ICML 2017, for a single factor.

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
        """Fit on (n_samples, n_features) and (n_samples,) labels, and calibrate on held-out rows.

        Rows with the same number in `groups`, (n_samples,), are held out together.
        """
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.factor_ = self._calibrated(X, codes, groups)
        # On all rows and not an average of the inner machines, so that labels are those of linear-svm.
        self.estimator_ = clone(self.estimator).fit(X, codes)
        return self

    def _calibrated(
        self, X: NDArray[np.floating], codes: NDArray[np.int64], groups: NDArray[np.int64] | None
    ) -> float:
        # Values of rows that a machine was fitted on are too far from its boundary: a factor found
        # on them would make every probability too extreme.
        splits = inner_splits(codes, seed=self.seed, groups=groups)
        if not splits:
            images = "images" if groups is None else "groups"
            warnings.warn(
                f"no class has two {images}, so probabilities are not calibrated (factor 1)",
                UserWarning,
                stacklevel=3,
            )
            return 1.0
        values = [
            _values(clone(self.estimator).fit(X[train], codes[train]), X[test]) for train, test in splits
        ]
        return fit_factor(np.concatenate(values), np.concatenate([codes[test] for _, test in splits]))

    def predict(self, X: NDArray[np.floating]) -> NDArray[np.int64]:
        """(n_samples, n_features) -> (n_samples,) labels, those of the machine alone."""
        check_is_fitted(self)
        labels: NDArray[np.int64] = self.classes_[self.estimator_.predict(X)]
        return labels

    def predict_proba(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        """(n_samples, n_features) -> (n_samples, n_classes), columns in the order of `classes_`."""
        check_is_fitted(self)
        probabilities: NDArray[np.float64] = softmax(self.factor_ * _values(self.estimator_, X), axis=1)
        return probabilities


def _values(machine: Any, X: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return decision values of shape (n_samples, n_classes), also for two classes."""
    values: NDArray[np.float64] = machine.decision_function(X)
    # scikit-learn returns one column for two classes. Their margin is then 2 * value, which the factor
    # absorbs.
    return values if values.ndim == 2 else np.stack([-values, values], axis=1)
