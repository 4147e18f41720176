"""Vote by first choices (as scikit-learn's `VotingClassifier(voting="hard")` but for ties)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stackkit.api import FitOn
from stackkit_plugins.probabilities import likeliest, sum_over_learners


class MajorityVote:
    """Predicts the class that is the first choice of most learners.

    Of classes with equally many votes the one with the higher mean probability wins, where
    scikit-learn and mlxtend take the lower label: with four learners, ties are common.
    """

    fit_on: FitOn = "in-sample"

    classes_: NDArray[np.int64]

    def fit(self, probabilities: NDArray[np.floating], labels: NDArray[np.int64]) -> MajorityVote:
        """Remember which classes have samples; a vote has no parameters."""
        self.classes_ = np.unique(labels)
        return self

    def predict(self, probabilities: NDArray[np.floating]) -> NDArray[np.int64]:
        """(n_learners, n_samples, n_classes) -> (n_samples,) labels; the first of equals wins."""
        if not hasattr(self, "classes_"):
            raise ValueError("fit comes before predict")
        votes = np.zeros(probabilities.shape[1:], dtype=np.int64)
        for learner in probabilities:
            votes[np.arange(len(votes)), likeliest(learner, self.classes_)] += 1
        leading = votes == votes.max(axis=1, keepdims=True)
        return likeliest(np.where(leading, sum_over_learners(probabilities), -1), self.classes_)
