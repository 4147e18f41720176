"""Vote by ranks: an overconfident learner counts for no more than a modest one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from stackkit.api import FitOn


class Borda:
    """Predicts the class whose ranks, added over learners, are highest.

    Equal probabilities share their ranks. Source: T. K. Ho, J. J. Hull and S. N. Srihari, "Decision
    combination in multiple classifier systems", 1994, after J.-C. de Borda, 1781.
    """

    fit_on: FitOn = "in-sample"  # it learns nothing from the probabilities, and these cost least

    classes_: NDArray[np.int64]

    def fit(self, probabilities: NDArray[np.floating], labels: NDArray[np.int64]) -> Borda:
        """Remember which classes have samples; a count has no parameters."""
        self.classes_ = np.unique(labels)
        return self

    def predict(self, probabilities: NDArray[np.floating]) -> NDArray[np.int64]:
        """(n_learners, n_samples, n_classes) -> (n_samples,) labels; the mean decides between equals."""
        if not hasattr(self, "classes_"):
            raise ValueError("fit comes before predict")
        among = probabilities[:, :, self.classes_].astype(np.float64)
        points = rankdata(among, axis=2).sum(axis=0)
        # Sorted, so that rounding does not depend on the order of learners.
        mean = np.sort(among, axis=0).mean(axis=0)
        # Ranks come in halves: less than a half changes the order of equals only.
        winners = (points + mean / 4).argmax(axis=1)
        labels: NDArray[np.int64] = self.classes_[winners]
        return labels
