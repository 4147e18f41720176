"""Vote by the mean probability (as scikit-learn's `VotingClassifier(voting="soft")`)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stackkit.api import FitOn


class SoftVote:
    """Predicts the class whose probability, averaged over learners, is highest."""

    fit_on: FitOn = "in-sample"

    def fit(self, probabilities: NDArray[np.floating], labels: NDArray[np.int64]) -> SoftVote:
        """Learn nothing: a mean has no parameters."""
        return self

    def predict(self, probabilities: NDArray[np.floating]) -> NDArray[np.int64]:
        """(n_learners, n_samples, n_classes) -> (n_samples,) labels; the first of equals wins."""
        labels: NDArray[np.int64] = probabilities.mean(axis=0, dtype=np.float64).argmax(axis=1)
        return labels
