"""Save and restore `ensemble-selection`."""

from __future__ import annotations

from typing import Any

from stackkit.api import State
from stackkit_plugins.ensemble_selection.aggregator import EnsembleSelection
from stackkit_plugins.shared.aggregator_states import weights_state, with_weights


def ensemble_selection_state(fitted: EnsembleSelection) -> State:
    """Return the weights of the ensemble and its classes."""
    return weights_state(fitted)


def restore_ensemble_selection(state: State, **options: Any) -> EnsembleSelection:
    """Return a fitted ensemble."""
    return with_weights(EnsembleSelection(**options), state, non_negative=True)
