"""Votes in which every base learner counts the same, so that there is nothing to learn."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

from stackkit.api import FitOn
from stackkit_plugins.shared.probabilities import (
    log_probabilities,
    most_likely,
    shares,
    sum_over_learners,
)
from stackkit_plugins.shared.softmax import softmax


class SoftVote:
    """Predict the class with the highest probability, averaged over learners.

    The same rule as scikit-learn's `VotingClassifier(voting="soft")`. On a tie, the lowest label
    wins.
    """

    fit_on: FitOn = "in-sample"

    def fit(self, probabilities: NDArray[np.floating], labels: NDArray[np.int64]) -> Self:
        """Do nothing: a mean has no parameters."""
        return self

    def predict(self, probabilities: NDArray[np.floating]) -> NDArray[np.int64]:
        """(n_learners, n_samples, n_classes) -> (n_samples,) labels."""
        labels: NDArray[np.int64] = self.predict_proba(probabilities).argmax(axis=1)
        return labels

    def predict_proba(self, probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
        """(n_learners, n_samples, n_classes) -> (n_samples, n_classes): the mean."""
        mean: NDArray[np.float64] = probabilities.mean(axis=0, dtype=np.float64)
        return mean


class GeometricVote:
    """Predict the class with the highest log-probability, averaged over learners.

    That is the class with the highest geometric mean. A learner that considers a class impossible
    therefore counts for more than in `SoftVote`. Probabilities below `FLOOR` count as `FLOOR`. On
    a tie, the lowest label wins.

    References
    ----------
    The logarithmic opinion pool; C. Genest and J. V. Zidek, "Combining probability distributions:
    a critique and an annotated bibliography", Statistical Science, 1986.

    """

    fit_on: FitOn = "in-sample"

    classes_: NDArray[np.int64]

    def fit(self, probabilities: NDArray[np.floating], labels: NDArray[np.int64]) -> Self:
        """Remember which classes have samples; a mean has no other parameters."""
        self.classes_ = np.unique(labels)
        return self

    def predict(self, probabilities: NDArray[np.floating]) -> NDArray[np.int64]:
        """(n_learners, n_samples, n_classes) -> (n_samples,) labels."""
        return most_likely(self._logs(probabilities), self.classes_)

    def predict_proba(self, probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
        """(n_learners, n_samples, n_classes) -> (n_samples, n_classes): the geometric mean, scaled."""
        logs = self._logs(probabilities)
        found = np.zeros(logs.shape)
        found[:, self.classes_] = softmax(logs[:, self.classes_] / len(probabilities))
        return shares(found, self.classes_, most_likely(logs, self.classes_))

    def _logs(self, probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
        if not hasattr(self, "classes_"):
            raise ValueError("call fit before predict")
        return sum_over_learners(probabilities, log_probabilities)


class MajorityVote:
    """Predict the class that most learners rank first.

    Among classes with equally many votes, the one with the higher mean probability wins;
    scikit-learn's `VotingClassifier(voting="hard")` and mlxtend take the lowest label. With few
    learners, ties are common.
    """

    fit_on: FitOn = "in-sample"

    classes_: NDArray[np.int64]

    def fit(self, probabilities: NDArray[np.floating], labels: NDArray[np.int64]) -> Self:
        """Remember which classes have samples; a vote has no other parameters."""
        self.classes_ = np.unique(labels)
        return self

    def predict(self, probabilities: NDArray[np.floating]) -> NDArray[np.int64]:
        """(n_learners, n_samples, n_classes) -> (n_samples,) labels."""
        votes = self._votes(probabilities)
        leading = votes == votes.max(axis=1, keepdims=True)
        # -1 is below every sum of probabilities, so only the classes with the most votes remain.
        return most_likely(np.where(leading, sum_over_learners(probabilities), -1), self.classes_)

    def predict_proba(self, probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
        """(n_learners, n_samples, n_classes) -> (n_samples, n_classes).

        Shares of the votes, where the mean probability is one more vote, shared among the classes. It
        decides ties, and never more, since the mean probability of a class is below 1.
        """
        mean = sum_over_learners(probabilities) / len(probabilities)
        return shares(self._votes(probabilities) + mean, self.classes_, self.predict(probabilities))

    def _votes(self, probabilities: NDArray[np.floating]) -> NDArray[np.int64]:
        if not hasattr(self, "classes_"):
            raise ValueError("call fit before predict")
        votes = np.zeros(probabilities.shape[1:], dtype=np.int64)
        for learner in probabilities:
            votes[np.arange(len(votes)), most_likely(learner, self.classes_)] += 1
        return votes
