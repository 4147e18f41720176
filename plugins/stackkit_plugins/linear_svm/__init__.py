"""The recipe's baseline, a linear support vector machine, and the same with probabilities."""

from stackkit.api import LearnerSpec, Option, hookimpl
from stackkit_plugins.linear_learners import NORMALISE

_OPTIONS = (
    Option(name="C", default=1.0, above=0, help="inverse of the regularisation strength"),
    Option(name="max_iter", default=1000, minimum=1, help="most passes over the rows"),
    Option(name="tol", default=1e-4, above=0, help="tolerance at which the solver stops"),
    Option(
        name="seed",
        default=0,
        minimum=0,
        maximum=2**32 - 1,
        help="order of coordinates; the run's seed by default",
    ),
    NORMALISE,
)


@hookimpl
def stackkit_learners() -> list[LearnerSpec]:
    """Offer `linear-svm` and `calibrated-svm`."""
    return [
        LearnerSpec(
            name="linear-svm",
            summary="scikit-learn's LinearSVC(dual=True), the recipe's baseline",
            factory="stackkit_plugins.linear_svm.learner:linear_svm",
            probabilities=False,
            options=_OPTIONS,
        ),
        LearnerSpec(
            name="calibrated-svm",
            summary="linear-svm with probabilities, calibrated on rows held out of training",
            factory="stackkit_plugins.linear_svm.learner:calibrated_svm",
            options=_OPTIONS,
        ),
    ]
