"""Save and restore votes."""

from __future__ import annotations

from typing import Any

from stackkit.api import State
from stackkit_plugins.shared.aggregator_states import weights_state, with_classes, with_weights
from stackkit_plugins.voting.unweighted import GeometricVote, MajorityVote, SoftVote
from stackkit_plugins.voting.weighted import WeightedVote


def vote_state(fitted: Any) -> State:
    """Return the state of any vote; that of `soft-vote` is empty."""
    return weights_state(fitted)


def restore_soft_vote(state: State) -> SoftVote:
    """Return a fitted vote."""
    return SoftVote()


def restore_geometric_vote(state: State) -> GeometricVote:
    """Return a fitted vote."""
    return with_classes(GeometricVote(), state)


def restore_majority_vote(state: State) -> MajorityVote:
    """Return a fitted vote."""
    return with_classes(MajorityVote(), state)


def restore_weighted_vote(state: State, **options: Any) -> WeightedVote:
    """Return a fitted vote."""
    return with_weights(WeightedVote(**options), state, non_negative=True)
