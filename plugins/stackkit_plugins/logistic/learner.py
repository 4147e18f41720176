"""Make scikit-learn's logistic regressions."""

from __future__ import annotations

import math
from typing import Any

from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from stackkit.api import UsageError


def logistic(*, seed: int, **options: Any) -> LogisticRegression:
    """`sklearn.linear_model.LogisticRegression`; the options are its own arguments."""
    _require_usable(seed=seed, **options)
    return LogisticRegression(random_state=seed, **options)


def logistic_ovr(*, seed: int, **options: Any) -> OneVsRestClassifier:
    """What `LogisticRegression()` meant up to scikit-learn 0.21: liblinear, one class at a time.

    `predict_proba` is each class's own probability divided by their sum.
    """
    _require_usable(seed=seed, **options)
    return OneVsRestClassifier(LogisticRegression(solver="liblinear", random_state=seed, **options))


def _require_usable(*, seed: int, C: float, max_iter: int, tol: float, **_: Any) -> None:
    """scikit-learn would refuse these at the first fit only, hours after extraction began."""
    for name, value in {"C": C, "max_iter": max_iter, "tol": tol}.items():
        if not 0 < value < math.inf:
            raise UsageError(f"option {name}={value}: a finite number above 0 is wanted")
    if not 0 <= seed < 2**32:
        raise UsageError(f"option seed={seed}: a number from 0 to 4294967295 is wanted")
