"""Save and restore `concat` with the learner inside it."""

from __future__ import annotations

from collections.abc import Callable

from stackkit.api import Learner, State
from stackkit_plugins.concat.aggregator import Concat


def concat_state(fitted: Concat, *, learner_state: Callable[[Learner], State]) -> State:
    """Return the widths of the backbones' features, and the learner's state as a part."""
    return State(
        values={"widths": list(fitted.widths_)}, parts={"learner": learner_state(fitted.learner_)}
    )


def restore_concat(state: State, *, restore_learner: Callable[[State], Learner]) -> Concat:
    """Return a fitted aggregator."""
    widths = state.values.get("widths")
    if not (isinstance(widths, list) and all(type(each) is int and each > 0 for each in widths)):
        raise ValueError(f"the value widths must be a list of integers > 0, got {widths!r:.80}")
    if "learner" not in state.parts:
        raise ValueError("the part learner is missing in the state")
    made = Concat()
    made.widths_ = widths
    made.learner_ = restore_learner(state.parts["learner"])
    return made
