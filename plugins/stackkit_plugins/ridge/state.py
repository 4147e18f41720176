"""Save and restore `ridge`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit.api import State
from stackkit_plugins.shared.checked_states import number_of
from stackkit_plugins.shared.linear_learners.fitted import FittedLinear, parameters
from stackkit_plugins.shared.linear_learners.saving import restored_softmax, softmax_state
from stackkit_plugins.shared.linear_learners.updating import PART, statistics_part, updated


def ridge_state(fitted: Any) -> State:
    """Return the state of what `ridge` made."""
    parts = statistics_part(fitted, penalty=float(parameters(fitted).alpha_))
    return replace(softmax_state(fitted), parts=parts)


def restore_ridge(state: State, *, normalise: str, **options: Any) -> FittedLinear:
    """Return a fitted classifier that predicts what the original of `ridge` does."""
    return restored_softmax(state, normalise=normalise)


def update_ridge(state: State, X: NDArray[np.float32], y: NDArray[np.int64], **options: Any) -> State:
    """Return the state with more rows, (n, d) of labels (n,)."""
    from stackkit_plugins.ridge.learner import ridge  # scikit-learn: a restored learner needs none

    penalty = number_of(state.parts[PART], "penalty") if PART in state.parts else 1.0
    if not penalty > 0:
        raise ValueError(f"penalty must be above 0, got {penalty}")
    return updated(
        ridge(**{**options, "updatable": True}),
        state,
        X,
        y,
        text="ridge:updatable=true",
        to_state=ridge_state,
        alpha_=penalty,
    )
