"""Make scikit-learn's logistic regressions."""

from __future__ import annotations

from typing import Any

from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier


def logistic(*, seed: int, **options: Any) -> LogisticRegression:
    """`sklearn.linear_model.LogisticRegression`; the options are its own arguments."""
    return LogisticRegression(random_state=seed, **options)


def logistic_ovr(*, seed: int, **options: Any) -> OneVsRestClassifier:
    """What `LogisticRegression()` meant up to scikit-learn 0.21: liblinear, one class at a time.

    `predict_proba` is each class's own probability divided by their sum.
    """
    return OneVsRestClassifier(LogisticRegression(solver="liblinear", random_state=seed, **options))
