"""Make scikit-learn's linear support vector machine, plain or with probabilities."""

from __future__ import annotations

from typing import Any

from sklearn.svm import LinearSVC

from stackkit_plugins.linear_learners.normalising import normalised
from stackkit_plugins.linear_svm.calibration import CalibratedSVM


def linear_svm(*, seed: int, normalise: str, **options: Any) -> Any:
    """`sklearn.svm.LinearSVC(dual=True)`, what `LinearSVC()` meant when the recipe was written.

    Today's default picks the primal solver for CUB's shape, some 35 times slower to the same
    optimum.
    """
    return normalised(LinearSVC(dual=True, random_state=seed, **options), normalise)


def calibrated_svm(*, seed: int, **options: Any) -> CalibratedSVM:
    """The same machine with probabilities; it predicts the same labels."""
    return CalibratedSVM(linear_svm(seed=seed, **options), seed=seed)
