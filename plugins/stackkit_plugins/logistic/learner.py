"""Make scikit-learn's logistic regressions."""

from __future__ import annotations

from typing import Any

from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from stackkit_plugins.linear_learners.normalising import normalised
from stackkit_plugins.linear_solvers import BatchedLogisticRegression
from stackkit_plugins.logistic.tuning import TunedLogistic


def logistic(*, C: float | str, seed: int, normalise: str, **options: Any) -> Any:
    """`sklearn.linear_model.LogisticRegression`; the options are its own arguments, but for "auto"."""
    if C == "auto":
        return TunedLogistic(normalised(_multinomial(seed=seed, **options), normalise), seed=seed)
    return normalised(_multinomial(C=C, seed=seed, **options), normalise)


def _multinomial(*, solver: str, seed: int, **options: Any) -> Any:
    if solver == "batched":
        return BatchedLogisticRegression(**options)  # nothing in it is random
    return LogisticRegression(solver=solver, random_state=seed, **options)


def logistic_ovr(*, seed: int, normalise: str, **options: Any) -> Any:
    """What `LogisticRegression()` meant up to scikit-learn 0.21: liblinear, one class at a time.

    `predict_proba` is each class's own probability divided by their sum.
    """
    liblinear = LogisticRegression(solver="liblinear", random_state=seed, **options)
    return normalised(OneVsRestClassifier(liblinear), normalise)
