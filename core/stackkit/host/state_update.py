"""Turn the state of a learner and new rows into the state of the learner that is fitted on both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stackkit.api.errors import UsageError
from stackkit.api.state import State
from stackkit.host.component_code import call_code
from stackkit.host.configured_component import ConfiguredComponent
from stackkit.host.states import check_state

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def updated_state(
    learner: ConfiguredComponent, state: State, X: NDArray[np.float32], y: NDArray[np.int64]
) -> State:
    """Return the state of a learner that is fitted on further rows too.

    Parameters
    ----------
    learner : ConfiguredComponent
        The learner.
    state : State
        That of the fitted learner; it may come from a damaged or hostile file.
    X, y : ndarray of shape (n, d), float32, and (n,), int64
        Features and labels. No rows check whether the state can be updated.

    Raises
    ------
    UsageError
        If the learner cannot be updated.
    PluginError
        If its code fails, such as for damaged statistics.

    """
    if not getattr(learner.component.spec, "update", ""):
        raise UsageError(f"learner {learner.label} cannot be updated with new images")
    label = f"learner {learner.text}"
    found = call_code(learner.component, "update", learner.options, label=label, first=(state, X, y))
    with learner.blamed():
        return check_state(found)
