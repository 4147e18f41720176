"""Make scikit-learn's logistic regressions."""

from __future__ import annotations

from typing import Any

from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from stackkit_plugins.linear_learners.normalising import normalised
from stackkit_plugins.logistic.tuning import TunedLogistic


def logistic(*, C: float | str, seed: int, normalise: str, **options: Any) -> Any:
    """`sklearn.linear_model.LogisticRegression`; the options are its own arguments, but for "auto"."""
    if C == "auto":
        tuned = LogisticRegression(random_state=seed, **options)
        return TunedLogistic(normalised(tuned, normalise), seed=seed)
    return normalised(LogisticRegression(C=C, random_state=seed, **options), normalise)


def logistic_ovr(*, seed: int, normalise: str, **options: Any) -> Any:
    """What `LogisticRegression()` meant up to scikit-learn 0.21: liblinear, one class at a time.

    `predict_proba` is each class's own probability divided by their sum.
    """
    liblinear = LogisticRegression(solver="liblinear", random_state=seed, **options)
    return normalised(OneVsRestClassifier(liblinear), normalise)
