"""Weight base learners as the components of a mixture, by expectation-maximisation (EM)."""

from __future__ import annotations

import warnings
from typing import Self

import numpy as np
from numpy.typing import NDArray

from stackkit.api import FitOn
from stackkit_plugins.shared.probabilities import (
    canonical_order,
    most_likely,
    row_weights,
    shares,
    true_class_probabilities,
    weighted_sum,
)

# A multiplicative update can never raise a weight of 0 again, so weights stop just above it.
_MIN_WEIGHT = 1e-12
# Keeps the exponent finite where the likelihood grows at every step.
_MAX_POWER = 2.0**40


class WeightedVote:
    """Predict the class with the highest weighted mean probability.

    Parameters
    ----------
    fit_on : {"in-sample", "out-of-fold"}
        Which probabilities of the training rows `fit` gets.
    class_weight : {"balanced"} or None
        "balanced" weights rows such that every class counts the same in the log-loss.
    max_iter : int
        Maximum number of updates of the weights.
    tol : float
        `fit` stops when the mean log-loss is proven to be within `tol` of its minimum.

    Attributes
    ----------
    weights_ : ndarray of shape (n_learners,)
        Non-negative and with a sum of 1; they minimise the log-loss of the weighted mean, which is
        a convex problem.
    classes_ : ndarray of shape (n_seen,)
        Labels that have training samples.

    References
    ----------
    The linear opinion pool; A. P. Dempster, N. M. Laird and D. B. Rubin, "Maximum likelihood from
    incomplete data via the EM algorithm", 1977.

    """

    weights_: NDArray[np.float64]
    classes_: NDArray[np.int64]

    def __init__(
        self, *, fit_on: FitOn, class_weight: str | None = None, max_iter: int, tol: float
    ) -> None:
        self.fit_on = fit_on
        self.class_weight = class_weight
        self.max_iter = max_iter
        self.tol = tol

    def fit(self, probabilities: NDArray[np.floating], labels: NDArray[np.int64]) -> Self:
        """Find the weights from (n_learners, n_samples, n_classes) probabilities."""
        order = canonical_order(probabilities)
        likelihoods = true_class_probabilities(probabilities, labels)[order]
        self.weights_ = np.empty(len(order))
        self.weights_[order] = mixture_weights(
            likelihoods,
            max_iter=self.max_iter,
            tol=self.tol,
            weights_of_rows=row_weights(labels, self.class_weight),
        )
        self.classes_ = np.unique(labels)
        return self

    def predict(self, probabilities: NDArray[np.floating]) -> NDArray[np.int64]:
        """(n_learners, n_samples, n_classes) -> (n_samples,) labels; on a tie, the lowest wins."""
        return most_likely(self._mixture(probabilities), self.classes_)

    def predict_proba(self, probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
        """(n_learners, n_samples, n_classes) -> (n_samples, n_classes): the weighted mean."""
        mixture = self._mixture(probabilities)
        return shares(mixture, self.classes_, most_likely(mixture, self.classes_))

    def _mixture(self, probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
        if not hasattr(self, "weights_"):
            raise ValueError("call fit before predict")
        return weighted_sum(probabilities, self.weights_)


def mixture_weights(
    likelihoods: NDArray[np.float64],
    *,
    max_iter: int,
    tol: float,
    weights_of_rows: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Find the weights that maximise the mean log-likelihood of a mixture.

    Parameters
    ----------
    likelihoods : ndarray of shape (n_learners, n_samples)
        Positive.
    max_iter : int
        Maximum number of updates. A `ConvergenceWarning` is issued when it is reached.
    tol : float
        Upper bound of what any other weights could gain.
    weights_of_rows : ndarray of shape (n_samples,), optional
        Weights of the rows in the mean, themselves with a mean of 1; by default all are 1.

    Returns
    -------
    ndarray of shape (n_learners,)
        Non-negative, with a sum of 1.

    Notes
    -----
    Plain EM multiplies each weight by its slope, the mean of likelihood / mixture. Where learners
    are about equally good, slopes are close to 1 and EM takes 10,000 updates. Slopes are therefore
    raised to a power, which doubles while the likelihood grows and falls back to 1 otherwise; with
    a power of 1 the likelihood never decreases.

    References
    ----------
    R. Salakhutdinov and S. Roweis, "Adaptive overrelaxed bound optimization methods", 2003.

    """
    weights = np.full(len(likelihoods), 1 / len(likelihoods))
    mixture, power = weights @ likelihoods, 1.0
    for _ in range(max_iter):
        slopes = _weighted(likelihoods / mixture, weights_of_rows).mean(axis=1)
        # The log-likelihood is concave in the weights and the weighted mean of the slopes is 1, so
        # no other weights can gain more than the largest slope minus 1.
        if slopes.max() - 1 <= tol:
            return weights
        proposal = _updated(weights, slopes, power)
        after, before = (
            _weighted(np.log(each), weights_of_rows).mean() for each in (proposal @ likelihoods, mixture)
        )
        if power > 1 and after < before:
            proposal, power = _updated(weights, slopes, 1.0), 1.0
        weights, mixture, power = proposal, proposal @ likelihoods, min(2 * power, _MAX_POWER)
    from sklearn.exceptions import ConvergenceWarning  # a restored vote predicts without it

    warnings.warn(
        f"weighted-vote stopped after max_iter={max_iter} updates before reaching tol={tol}",
        ConvergenceWarning,
        stacklevel=3,
    )
    return weights


def _weighted(
    values: NDArray[np.float64], weights_of_rows: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    return values if weights_of_rows is None else values * weights_of_rows


def _updated(
    weights: NDArray[np.float64], slopes: NDArray[np.float64], power: float
) -> NDArray[np.float64]:
    """Multiply weights by `slopes ** power` and normalise them to a sum of 1."""
    # In logarithms and relative to the largest, since a slope to a high power overflows.
    logs = np.log(weights) + power * np.log(slopes)
    updated = np.maximum(np.exp(logs - logs.max()), _MIN_WEIGHT)
    shares: NDArray[np.float64] = updated / updated.sum()
    return shares
