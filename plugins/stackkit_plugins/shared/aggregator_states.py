"""Save and restore aggregators whose fit finds weights of learners, or no more than the classes."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from stackkit.api import State
from stackkit_plugins.shared.checked_states import array_of, classes_of

Aggregator = TypeVar("Aggregator")


def weights_state(fitted: Any) -> State:
    """Return the state of an aggregator: its `weights_`, `intercept_` and `classes_`, if it has them."""
    names = {"weights": "weights_", "intercept": "intercept_", "classes": "classes_"}
    return State(
        arrays={
            name: np.array(getattr(fitted, attribute))
            for name, attribute in names.items()
            if hasattr(fitted, attribute)
        }
    )


def with_classes(aggregator: Aggregator, state: State) -> Aggregator:
    """Set `classes_` of a new aggregator; raises ValueError if they are no labels."""
    vars(aggregator)["classes_"] = classes_of(state)
    return aggregator


def with_weights(aggregator: Aggregator, state: State, *, non_negative: bool) -> Aggregator:
    """Set `weights_` and `classes_` of a new aggregator; raises ValueError if they are invalid."""
    weights = array_of(state, "weights", (None,)).astype(np.float64)
    if non_negative and (weights < 0).any():
        raise ValueError(f"weights must be at least 0, got {weights.min()}")
    vars(aggregator)["weights_"] = weights
    return with_classes(aggregator, state)
