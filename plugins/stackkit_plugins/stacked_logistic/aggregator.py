"""Logistic regression that departs from the geometric mean only as far as the data justify it."""

from __future__ import annotations

import warnings
from typing import Self

import numpy as np
from numpy.typing import NDArray

from stackkit.api import FitOn
from stackkit_plugins.shared.probabilities import (
    canonical_order,
    log_probabilities,
    most_likely,
    row_weights,
    shares,
    sum_over_learners,
)
from stackkit_plugins.shared.softmax import softmax


class StackedLogistic:
    """Predict with softmax(sum of weights_ * log-probabilities + intercept_), with a ridge penalty.

    Parameters
    ----------
    fit_on : {"in-sample", "out-of-fold"}
        Which probabilities of the training rows `fit` gets.
    C : float
        Inverse of the regularisation strength, above 0.
    class_weight : {"balanced"} or None
        "balanced" weights rows such that every class counts the same.
    max_iter : int
        Maximum number of L-BFGS iterations.
    tol : float
        L-BFGS stops when no component of the gradient exceeds this.

    Attributes
    ----------
    weights_ : ndarray of shape (n_learners,)
    intercept_ : ndarray of shape (n_seen,)
        One constant for each of `classes_`.
    classes_ : ndarray of shape (n_seen,)
        Labels that have training samples.

    Notes
    -----
    L weights and K intercepts are L + K parameters. A full multinomial regression would have
    L * K * K, which is 160,000 for 4 learners and 200 classes, far too many for some 40 rows of
    each class. The penalty is on the distance from weights of 1 / L and intercepts of 0, where the
    model is `geometric-vote`.

    References
    ----------
    D. H. Wolpert, "Stacked generalization", 1992. K. M. Ting and I. H. Witten, "Issues in stacked
    generalization", 1999, for probabilities as inputs.

    """

    weights_: NDArray[np.float64]
    intercept_: NDArray[np.float64]
    classes_: NDArray[np.int64]

    def __init__(
        self, *, fit_on: FitOn, C: float, class_weight: str | None = None, max_iter: int, tol: float
    ) -> None:
        self.fit_on = fit_on
        self.C = C
        self.class_weight = class_weight
        self.max_iter = max_iter
        self.tol = tol

    def fit(self, probabilities: NDArray[np.floating], labels: NDArray[np.int64]) -> Self:
        """Fit the weights and intercepts to (n_learners, n_samples, n_classes) probabilities."""
        order = canonical_order(probabilities)
        # Only classes with samples: the others would get an intercept of minus infinity.
        classes, truth = np.unique(labels, return_inverse=True)
        logs = np.stack([log_probabilities(probabilities[learner][:, classes]) for learner in order])
        departure = self._departure(logs, truth)
        self.weights_ = np.empty(len(order))
        self.weights_[order] = 1 / len(order) + departure[: len(order)]
        self.intercept_ = departure[len(order) :]
        self.classes_ = classes
        return self

    def predict(self, probabilities: NDArray[np.floating]) -> NDArray[np.int64]:
        """(n_learners, n_samples, n_classes) -> (n_samples,) labels; on a tie, the lowest wins."""
        return most_likely(self._scores(probabilities), self.classes_)

    def predict_proba(self, probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
        """(n_learners, n_samples, n_classes) -> (n_samples, n_classes): the softmax of the scores."""
        scores = self._scores(probabilities)
        found = np.zeros(scores.shape)
        found[:, self.classes_] = softmax(scores[:, self.classes_])
        return shares(found, self.classes_, most_likely(scores, self.classes_))

    def _scores(self, probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
        if not hasattr(self, "weights_"):
            raise ValueError("call fit before predict")
        if len(probabilities) != len(self.weights_):
            raise ValueError(
                f"fitted on {len(self.weights_)} learners, got probabilities of {len(probabilities)}"
            )
        weights = self.weights_[:, None, None]
        scores = sum_over_learners(probabilities, lambda chunk: weights * log_probabilities(chunk))
        scores[:, self.classes_] += self.intercept_
        return scores

    def _departure(self, logs: NDArray[np.float64], truth: NDArray[np.int64]) -> NDArray[np.float64]:
        from scipy.optimize import minimize  # a restored aggregator predicts without it

        n_learners, _, n_classes = logs.shape
        found = minimize(
            objective,
            np.zeros(n_learners + n_classes),
            args=(logs, truth, self.C, row_weights(truth, self.class_weight)),
            method="L-BFGS-B",
            jac=True,
            # ftol is practically off: SciPy's default ends a fit when the objective hardly changes
            # and calls that success, although the gradient may still be far above tol.
            options={"maxiter": self.max_iter, "gtol": self.tol, "ftol": 1e-14},
        )
        if not found.success:
            from sklearn.exceptions import ConvergenceWarning

            warnings.warn(
                f"stacked-logistic stopped after {found.nit} iterations: {found.message}",
                ConvergenceWarning,
                stacklevel=3,
            )
        departure: NDArray[np.float64] = found.x
        return departure


def objective(
    departure: NDArray[np.float64],
    logs: NDArray[np.float64],
    truth: NDArray[np.int64],
    C: float,
    weights_of_rows: NDArray[np.float64] | None = None,
) -> tuple[float, NDArray[np.float64]]:
    """Return C times the summed log-loss plus half the squared departure, and the gradient.

    Parameters
    ----------
    departure : ndarray of shape (n_learners + n_classes,)
        Distance of the weights from 1 / n_learners, then of the intercepts from 0.
    logs : ndarray of shape (n_learners, n_samples, n_classes)
        Log-probabilities.
    truth : ndarray of shape (n_samples,)
        Columns of the true classes.
    C : float
        Inverse of the regularisation strength.
    weights_of_rows : ndarray of shape (n_samples,), optional
        Weights of the rows' log-losses, with a mean of 1; by default all are 1.

    Returns
    -------
    value : float
    gradient : ndarray of shape (n_learners + n_classes,)

    """
    n_learners, n, n_classes = logs.shape
    # No temporary array is larger than (n_samples, n_classes): a design matrix with one column per
    # parameter would be n_classes times as large as the probabilities.
    flat = logs.reshape(n_learners, -1)
    weights = 1 / n_learners + departure[:n_learners]
    scores = (weights @ flat).reshape(n, n_classes)
    scores += departure[n_learners:]
    scores -= scores.max(axis=1, keepdims=True)  # so that exp does not overflow
    rows = np.arange(n)
    own = scores[rows, truth]
    shares = np.exp(scores, out=scores)
    sums = shares.sum(axis=1, keepdims=True)
    logs_of_sums = np.log(sums)
    shares /= sums
    shares[rows, truth] -= 1
    if weights_of_rows is None:
        loss = -own.sum() + logs_of_sums.sum()
    else:
        loss = weights_of_rows @ (logs_of_sums[:, 0] - own)
        shares *= weights_of_rows[:, None]
    slopes = np.concatenate([flat @ shares.ravel(), shares.sum(axis=0)])
    # Divided by the larger of the two terms' scales, so that one tolerance suits every C.
    scale = max(1.0, C * n)
    return (
        float(C * loss + departure @ departure / 2) / scale,
        (C * slopes + departure) / scale,
    )
