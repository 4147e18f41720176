"""Save and restore `ridge`."""

from __future__ import annotations

from typing import Any

from stackkit.api import State
from stackkit_plugins.shared.linear_learners.fitted import FittedLinear
from stackkit_plugins.shared.linear_learners.saving import restored_softmax, softmax_state


def ridge_state(fitted: Any) -> State:
    """Return the state of what `ridge` made."""
    return softmax_state(fitted)


def restore_ridge(state: State, *, normalise: str, **options: Any) -> FittedLinear:
    """Return a fitted classifier that predicts what the original of `ridge` does."""
    return restored_softmax(state, normalise=normalise)
