"""Save and restore logistic regressions."""

from __future__ import annotations

from typing import Any

import numpy as np

from stackkit.api import State
from stackkit_plugins.shared.linear_learners.fitted import (
    FittedLinear,
    batched_link,
    logistic_link,
    one_vs_rest_link,
    parameters,
)
from stackkit_plugins.shared.linear_learners.saving import (
    linear_state,
    restored_linear,
    restored_softmax,
    softmax_state,
)


def logistic_state(fitted: Any) -> State:
    """Return the state of what `logistic` made."""
    if hasattr(fitted, "C_"):  # the estimator inside predicts what the one that tunes C does
        fitted = fitted.estimator_
    last = parameters(fitted)
    return linear_state(
        fitted, coefficients=last.coef_, intercepts=last.intercept_, classes=last.classes_
    )


def restore_logistic(state: State, *, solver: str, normalise: str, **options: Any) -> FittedLinear:
    """Return a fitted classifier that predicts what the original of `logistic` does."""
    link = batched_link if solver == "batched" else logistic_link
    return restored_linear(state, normalise=normalise, link=link, one_row_for_two=True)


def logistic_ovr_state(fitted: Any) -> State:
    """Return the state of what `logistic_ovr` made."""
    last = parameters(fitted)
    return linear_state(
        fitted,
        coefficients=np.concatenate([each.coef_ for each in last.estimators_]),
        # Without an intercept, scikit-learn's is the number 0.
        intercepts=np.concatenate([np.atleast_1d(each.intercept_) for each in last.estimators_]),
        classes=last.classes_,
    )


def restore_logistic_ovr(state: State, *, normalise: str, **options: Any) -> FittedLinear:
    """Return a fitted classifier that predicts what the original of `logistic_ovr` does."""
    return restored_linear(
        state, normalise=normalise, link=one_vs_rest_link, one_row_for_two=True, one_by_one=True
    )


def sgd_logistic_state(fitted: Any) -> State:
    """Return the state of what `sgd_logistic` made."""
    return softmax_state(fitted)


def restore_sgd_logistic(state: State, *, normalise: str, **options: Any) -> FittedLinear:
    """Return a fitted classifier that predicts what the original of `sgd_logistic` does."""
    return restored_softmax(state, normalise=normalise)
