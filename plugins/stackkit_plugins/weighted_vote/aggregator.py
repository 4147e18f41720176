"""Weigh learners as the components of a mixture, by expectation-maximisation."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from stackkit.api import FitOn
from stackkit_plugins.probabilities import likeliest, of_labels, order_of_learners, weighted_sum

_LEAST_WEIGHT = 1e-12
_GREATEST_POWER = 2.0**40


class WeightedVote:
    """Predicts the class whose weighted mean probability is highest.

    `weights_` (n_learners,) are at least 0, sum to 1, and minimise the log-loss of the weighted
    mean, a convex problem. Sources: the linear opinion pool; A. P. Dempster, N. M. Laird and
    D. B. Rubin, "Maximum likelihood from incomplete data via the EM algorithm", 1977.
    """

    weights_: NDArray[np.float64]
    classes_: NDArray[np.int64]

    def __init__(self, *, fit_on: FitOn, max_iter: int, tol: float) -> None:
        self.fit_on = fit_on
        self.max_iter = max_iter
        self.tol = tol

    def fit(self, probabilities: NDArray[np.floating], labels: NDArray[np.int64]) -> WeightedVote:
        """Find the weights from (n_learners, n_samples, n_classes) probabilities."""
        order = order_of_learners(probabilities)
        likelihoods = of_labels(probabilities, labels)[order]
        self.weights_ = np.empty(len(order))
        self.weights_[order] = mixture_weights(likelihoods, max_iter=self.max_iter, tol=self.tol)
        self.classes_ = np.unique(labels)
        return self

    def predict(self, probabilities: NDArray[np.floating]) -> NDArray[np.int64]:
        """(n_learners, n_samples, n_classes) -> (n_samples,) labels; the first of equals wins."""
        if not hasattr(self, "weights_"):
            raise ValueError("fit comes before predict")
        return likeliest(weighted_sum(probabilities, self.weights_), self.classes_)


def mixture_weights(
    likelihoods: NDArray[np.float64], *, max_iter: int, tol: float
) -> NDArray[np.float64]:
    """(n_learners, n) positive likelihoods -> (n_learners,) weights of greatest mean log-likelihood.

    Plain EM multiplies each weight by its slope. Where learners are about equally good, slopes
    are near 1 and that takes 10,000 updates, so slopes are raised to a power that doubles for as
    long as the likelihood grows, and falls back to 1, where it grows for certain (R. Salakhutdinov
    and S. Roweis, "Adaptive overrelaxed bound optimization methods", 2003). The largest slope
    less 1 bounds what any other weights could gain.
    """
    weights = np.full(len(likelihoods), 1 / len(likelihoods))
    mixed, power = weights @ likelihoods, 1.0
    for _ in range(max_iter):
        slopes = (likelihoods / mixed).mean(axis=1)
        if slopes.max() - 1 <= tol:
            return weights
        bold = _updated(weights, slopes, power)
        if power > 1 and np.log(bold @ likelihoods).mean() < np.log(mixed).mean():
            bold, power = _updated(weights, slopes, 1.0), 1.0
        weights, mixed, power = bold, bold @ likelihoods, min(2 * power, _GREATEST_POWER)
    warnings.warn(
        f"weighted-vote stopped after max_iter={max_iter} updates, before tol={tol} was reached",
        ConvergenceWarning,
        stacklevel=3,
    )
    return weights


def _updated(
    weights: NDArray[np.float64], slopes: NDArray[np.float64], power: float
) -> NDArray[np.float64]:
    """Weights times slopes to a power, as shares; none so small that it could not grow again."""
    logs = np.log(weights) + power * np.log(slopes)
    updated = np.maximum(np.exp(logs - logs.max()), _LEAST_WEIGHT)
    shares: NDArray[np.float64] = updated / updated.sum()
    return shares
