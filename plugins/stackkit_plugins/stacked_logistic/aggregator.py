"""Logistic regression that departs from the geometric mean as far as the rows justify it."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning

from stackkit.api import FitOn
from stackkit_plugins.probabilities import (
    likeliest,
    logarithms,
    order_of_learners,
    sum_over_learners,
)


class StackedLogistic:
    """Predicts by softmax(weights_ . log-probabilities + intercept_), fitted with a ridge.

    One weight a learner and one constant a class are L + K numbers, where a full regression has
    L x K x K: with 200 classes and some 40 rows of each, 160,000. The ridge is on the distance
    from equal weights 1 / L and constants of 0, where this is `geometric-vote`. Sources:
    D. H. Wolpert, "Stacked generalization", 1992; K. M. Ting and I. H. Witten, "Issues in stacked
    generalization", 1999, for probabilities as its inputs.
    """

    weights_: NDArray[np.float64]
    intercept_: NDArray[np.float64]
    classes_: NDArray[np.int64]

    def __init__(self, *, fit_on: FitOn, C: float, max_iter: int, tol: float) -> None:
        self.fit_on = fit_on
        self.C = C
        self.max_iter = max_iter
        self.tol = tol

    def fit(self, probabilities: NDArray[np.floating], labels: NDArray[np.int64]) -> StackedLogistic:
        """Fit (n_learners,) weights and (n_seen,) constants of the classes that have samples."""
        order = order_of_learners(probabilities)
        classes, truth = np.unique(labels, return_inverse=True)
        logs = np.stack([logarithms(probabilities[learner][:, classes]) for learner in order])
        departure = self._departure(logs, truth)
        self.weights_ = np.empty(len(order))
        self.weights_[order] = 1 / len(order) + departure[: len(order)]
        self.intercept_ = departure[len(order) :]
        self.classes_ = classes
        return self

    def predict(self, probabilities: NDArray[np.floating]) -> NDArray[np.int64]:
        """(n_learners, n_samples, n_classes) -> (n_samples,) labels; the first of equals wins."""
        if not hasattr(self, "weights_"):
            raise ValueError("fit comes before predict")
        weights = self.weights_[:, None, None]
        scores = sum_over_learners(probabilities, lambda some: weights * logarithms(some))
        scores[:, self.classes_] += self.intercept_
        return likeliest(scores, self.classes_)

    def _departure(self, logs: NDArray[np.float64], truth: NDArray[np.int64]) -> NDArray[np.float64]:
        n_learners, _, n_classes = logs.shape
        found = minimize(
            objective,
            np.zeros(n_learners + n_classes),
            args=(logs, truth, self.C),
            method="L-BFGS-B",
            jac=True,
            options={"maxiter": self.max_iter, "gtol": self.tol, "ftol": 1e-14},
        )
        if not found.success:
            warnings.warn(
                f"stacked-logistic stopped after {found.nit} iterations: {found.message}",
                ConvergenceWarning,
                stacklevel=3,
            )
        departure: NDArray[np.float64] = found.x
        return departure


def objective(
    departure: NDArray[np.float64], logs: NDArray[np.float64], truth: NDArray[np.int64], C: float
) -> tuple[float, NDArray[np.float64]]:
    """C times the summed log-loss, plus half the squared departure; and its gradient.

    logs (n_learners, n, n_classes), truth (n,); departure (n_learners + n_classes,) of the weights
    from 1 / n_learners and of the constants from 0. Both are divided by C n where that is above 1,
    so that one tolerance suits every C. Nothing larger than (n, n_classes) is made on the way.
    """
    n_learners, n, n_classes = logs.shape
    flat = logs.reshape(n_learners, -1)
    weights = 1 / n_learners + departure[:n_learners]
    scores = (weights @ flat).reshape(n, n_classes)
    scores += departure[n_learners:]
    scores -= scores.max(axis=1, keepdims=True)
    rows = np.arange(n)
    loss = -scores[rows, truth].sum()
    shares = np.exp(scores, out=scores)
    sums = shares.sum(axis=1, keepdims=True)
    loss += np.log(sums).sum()
    shares /= sums
    shares[rows, truth] -= 1
    slopes = np.concatenate([flat @ shares.ravel(), shares.sum(axis=0)])
    scale = max(1.0, C * n)
    return (
        float(C * loss + departure @ departure / 2) / scale,
        (C * slopes + departure) / scale,
    )
