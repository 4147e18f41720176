"""Combine learners by their rankings, so that overconfident learners get no extra weight."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from stackkit.api import FitOn, State


class Borda:
    """Predict the class with the highest sum of ranks over all learners.

    Equal probabilities get the same rank. Reference: T. K. Ho, J. J. Hull and S. N. Srihari, "Decision
    combination in multiple classifier systems", 1994, after J.-C. de Borda, 1781.
    """

    fit_on: FitOn = "in-sample"  # it fits nothing, and in-sample probabilities are the cheapest

    classes_: NDArray[np.int64]

    def fit(self, probabilities: NDArray[np.floating], labels: NDArray[np.int64]) -> Borda:
        """Store which classes have samples; there are no parameters to fit."""
        self.classes_ = np.unique(labels)
        return self

    def predict(self, probabilities: NDArray[np.floating]) -> NDArray[np.int64]:
        """(n_learners, n_samples, n_classes) -> (n_samples,) labels; ties go to the higher mean."""
        winners = self.decision_function(probabilities).argmax(axis=1)
        labels: NDArray[np.int64] = self.classes_[winners]
        return labels

    def decision_function(self, probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
        """(n_learners, n_samples, n_classes) -> (n_samples, n_seen), in the order of `classes_`."""
        if not hasattr(self, "classes_"):
            raise ValueError("call fit before predict")
        among = probabilities[:, :, self.classes_].astype(np.float64)
        points = rankdata(among, axis=2).sum(axis=0)
        # Sort before summing: rounding must not depend on the order of learners.
        mean = np.sort(among, axis=0).mean(axis=0)
        # Sums of ranks are multiples of 0.5, so a term below 0.5 only breaks ties.
        decided: NDArray[np.float64] = points + mean / 4
        return decided


def state(fitted: Borda) -> State:
    """Return which classes had samples."""
    return State(arrays={"classes": fitted.classes_})


def restore(state: State) -> Borda:
    """Return the fitted aggregator again; the state may come from a damaged file."""
    if "classes" not in state.arrays:
        raise ValueError("the array classes is missing in the state")
    made = Borda()
    made.classes_ = state.arrays["classes"]
    return made
