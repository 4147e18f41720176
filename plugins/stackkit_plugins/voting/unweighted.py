"""Votes in which every base learner counts the same, so that there is nothing to learn."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

from stackkit.api import FitOn
from stackkit_plugins.shared.probabilities import log_probabilities, most_likely, sum_over_learners


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
        labels: NDArray[np.int64] = probabilities.mean(axis=0, dtype=np.float64).argmax(axis=1)
        return labels


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
        if not hasattr(self, "classes_"):
            raise ValueError("call fit before predict")
        return most_likely(sum_over_learners(probabilities, log_probabilities), self.classes_)


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
        if not hasattr(self, "classes_"):
            raise ValueError("call fit before predict")
        votes = np.zeros(probabilities.shape[1:], dtype=np.int64)
        for learner in probabilities:
            votes[np.arange(len(votes)), most_likely(learner, self.classes_)] += 1
        leading = votes == votes.max(axis=1, keepdims=True)
        # -1 is below every sum of probabilities, so only the classes with the most votes remain.
        return most_likely(np.where(leading, sum_over_learners(probabilities), -1), self.classes_)
