"""Learner: ridge regression on the classes, tuned and calibrated on rows that are left out."""

from dataclasses import replace

from stackkit.api import LearnerSpec, Option, hookimpl
from stackkit_plugins.shared.linear_learners import CLASS_WEIGHT, NORMALISE, TEMPERATURE, UPDATABLE


@hookimpl
def stackkit_learners() -> list[LearnerSpec]:
    """Offer `ridge`."""
    return [
        LearnerSpec(
            name="ridge",
            summary="ridge regression, its penalty selected by leave-one-out in closed form",
            factory="stackkit_plugins.ridge.learner:ridge",
            process_state=(),
            state="stackkit_plugins.ridge.state:ridge_state",
            restore="stackkit_plugins.ridge.state:restore_ridge",
            onnx="stackkit_plugins.shared.linear_learners.to_onnx:softmax_learner",
            update="stackkit_plugins.ridge.state:update_ridge",
            options=(
                Option(
                    name="alpha",
                    default="auto",
                    type=float,
                    words=("auto",),
                    above=0,
                    help="penalty of squared coefficients; auto: selected on rows left out",
                ),
                replace(NORMALISE, default="power"),
                CLASS_WEIGHT,
                TEMPERATURE,
                UPDATABLE,
            ),
        ),
    ]
