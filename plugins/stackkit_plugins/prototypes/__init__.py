"""Learner: cosines with the mean direction of each class, for few images per class."""

from dataclasses import replace

from stackkit.api import LearnerSpec, hookimpl
from stackkit_plugins.shared.linear_learners import NORMALISE, TEMPERATURE


@hookimpl
def stackkit_learners() -> list[LearnerSpec]:
    """Offer `prototypes`."""
    return [
        LearnerSpec(
            name="prototypes",
            summary="cosines with the mean of each class, for few images per class",
            factory="stackkit_plugins.prototypes.learner:prototypes",
            process_state=(),
            state="stackkit_plugins.prototypes.state:prototypes_state",
            restore="stackkit_plugins.prototypes.state:restore_prototypes",
            options=(
                TEMPERATURE,
                replace(NORMALISE, default="power"),
            ),
        ),
    ]
