"""Save and restore `lda`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit.api import State
from stackkit_plugins.shared.linear_learners.fitted import FittedLinear
from stackkit_plugins.shared.linear_learners.saving import restored_softmax, softmax_state
from stackkit_plugins.shared.linear_learners.updating import statistics_part, updated


def lda_state(fitted: Any) -> State:
    """Return the state of what `lda` made."""
    return replace(softmax_state(fitted), parts=statistics_part(fitted))


def restore_lda(state: State, *, normalise: str, **options: Any) -> FittedLinear:
    """Return a fitted classifier that predicts what the original of `lda` does."""
    return restored_softmax(state, normalise=normalise)


def update_lda(state: State, X: NDArray[np.float32], y: NDArray[np.int64], **options: Any) -> State:
    """Return the state with more rows, (n, d) of labels (n,)."""
    from stackkit_plugins.lda.learner import lda  # scikit-learn: a restored learner needs none

    learner = lda(**{**options, "updatable": True})
    return updated(learner, state, X, y, text="lda:updatable=true", to_state=lda_state)
