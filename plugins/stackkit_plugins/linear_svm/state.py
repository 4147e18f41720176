"""Save and restore linear support vector machines, plain or with probabilities."""

from __future__ import annotations

from typing import Any

from stackkit.api import State
from stackkit_plugins.shared.linear_learners.fitted import FittedLinear, parameters
from stackkit_plugins.shared.linear_learners.saving import (
    linear_state,
    restored_linear,
    restored_softmax,
)


def linear_svm_state(fitted: Any) -> State:
    """Return the state of what `linear_svm` made."""
    last = parameters(fitted)
    return linear_state(
        fitted, coefficients=last.coef_, intercepts=last.intercept_, classes=last.classes_
    )


def restore_linear_svm(state: State, *, normalise: str, **options: Any) -> FittedLinear:
    """Return a fitted classifier that predicts what the original of `linear_svm` does."""
    return restored_linear(state, normalise=normalise, link=None, one_row_for_two=True)


def calibrated_svm_state(fitted: Any) -> State:
    """Return the state of what `calibrated_svm` made."""
    last = parameters(fitted.estimator_)
    return linear_state(
        fitted.estimator_,
        coefficients=last.coef_,
        intercepts=last.intercept_,
        classes=fitted.classes_,  # the machine itself was fitted on numbers of columns
        factor=fitted.factor_,
    )


def restore_calibrated_svm(state: State, *, normalise: str, **options: Any) -> FittedLinear:
    """Return a fitted classifier that predicts what the original of `calibrated_svm` does."""
    return restored_softmax(state, normalise=normalise, one_row_for_two=True)
