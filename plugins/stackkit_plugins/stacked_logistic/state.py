"""Save and restore `stacked-logistic`."""

from __future__ import annotations

from typing import Any

import numpy as np

from stackkit.api import State
from stackkit_plugins.shared.aggregator_states import weights_state, with_weights
from stackkit_plugins.shared.checked_states import array_of
from stackkit_plugins.stacked_logistic.aggregator import StackedLogistic


def stacked_logistic_state(fitted: StackedLogistic) -> State:
    """Return weights, intercepts and classes."""
    return weights_state(fitted)


def restore_stacked_logistic(state: State, **options: Any) -> StackedLogistic:
    """Return a fitted aggregator."""
    made = with_weights(StackedLogistic(**options), state, non_negative=False)
    made.intercept_ = array_of(state, "intercept", (len(made.classes_),)).astype(np.float64)
    return made
