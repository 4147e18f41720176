"""Learner: linear discriminant analysis with a shrunk covariance."""

from dataclasses import replace

from stackkit.api import LearnerSpec, Option, hookimpl
from stackkit_plugins.shared.linear_learners import CLASS_WEIGHT, NORMALISE, TEMPERATURE, UPDATABLE


@hookimpl
def stackkit_learners() -> list[LearnerSpec]:
    """Offer `lda`."""
    return [
        LearnerSpec(
            name="lda",
            summary="linear discriminant analysis with a shrunk covariance",
            factory="stackkit_plugins.lda.learner:lda",
            process_state=(),
            state="stackkit_plugins.lda.state:lda_state",
            restore="stackkit_plugins.lda.state:restore_lda",
            onnx="stackkit_plugins.shared.linear_learners.to_onnx:softmax_learner",
            update="stackkit_plugins.lda.state:update_lda",
            options=(
                Option(
                    name="shrinkage",
                    default=0.3,
                    above=0,
                    maximum=1,
                    help="share of the identity in the covariance; 1: the nearest mean",
                ),
                replace(NORMALISE, default="power"),
                CLASS_WEIGHT,
                TEMPERATURE,
                UPDATABLE,
            ),
        ),
    ]
