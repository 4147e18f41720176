"""Save and restore prototypes."""

from __future__ import annotations

from typing import Any

from stackkit.api import State
from stackkit_plugins.shared.linear_learners.fitted import FittedLinear, parameters, unit_rows_float64
from stackkit_plugins.shared.linear_learners.saving import linear_state, restored_softmax


def prototypes_state(fitted: Any) -> State:
    """Return the state of what `prototypes` made."""
    last = parameters(fitted)
    return linear_state(
        fitted,
        coefficients=last.prototypes_,
        intercepts=None,
        classes=last.classes_,
        factor=last.factor_,
    )


def restore_prototypes(state: State, *, normalise: str, **options: Any) -> FittedLinear:
    """Return a fitted classifier that predicts what the original of `prototypes` does."""
    return restored_softmax(state, normalise=normalise, last=(unit_rows_float64,), with_intercepts=False)
