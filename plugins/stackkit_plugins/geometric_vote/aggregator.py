"""Vote by the mean log-probability, which is to vote by the geometric mean."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stackkit.api import FitOn
from stackkit_plugins.probabilities import likeliest, logarithms, sum_over_learners


class GeometricVote:
    """Predicts the class whose log-probability, averaged over learners, is highest.

    Probabilities below `probabilities.FLOOR` count as that much. Source: the logarithmic opinion
    pool; C. Genest and J. V. Zidek, "Combining probability distributions", 1986.
    """

    fit_on: FitOn = "in-sample"

    classes_: NDArray[np.int64]

    def fit(self, probabilities: NDArray[np.floating], labels: NDArray[np.int64]) -> GeometricVote:
        """Remember which classes have samples; a mean has no parameters."""
        self.classes_ = np.unique(labels)
        return self

    def predict(self, probabilities: NDArray[np.floating]) -> NDArray[np.int64]:
        """(n_learners, n_samples, n_classes) -> (n_samples,) labels; the first of equals wins."""
        if not hasattr(self, "classes_"):
            raise ValueError("fit comes before predict")
        return likeliest(sum_over_learners(probabilities, logarithms), self.classes_)
