"""Base learners: logistic regression as scikit-learn has it today, and as it was in 2017."""

from dataclasses import replace

from stackkit.api import LearnerSpec, Option, hookimpl, seed_option
from stackkit_plugins.linear_learners import NORMALISE, TOL, C

_SHARED = (
    Option(name="max_iter", default=100, minimum=1, help="most iterations of the solver"),
    TOL,
    Option(name="fit_intercept", default=True, help="whether to fit a constant"),
    Option(
        name="class_weight",
        default=None,
        type=str,
        choices=("balanced",),
        help="balanced: weigh classes by the inverse of their frequency",
    ),
    seed_option("seed of solvers that shuffle"),
    NORMALISE,
)


@hookimpl
def stackkit_learners() -> list[LearnerSpec]:
    """Offer `logistic` and `logistic-ovr`."""
    return [
        LearnerSpec(
            name="logistic",
            summary="scikit-learn's LogisticRegression as it is today (multinomial)",
            factory="stackkit_plugins.logistic.learner:logistic",
            options=(
                Option(
                    name="solver",
                    default="lbfgs",
                    choices=("lbfgs", "newton-cg", "newton-cholesky", "sag", "saga", "batched"),
                    help="scikit-learn's solver; batched: the same minimum sooner, proven to tol^2",
                ),
                replace(C, words=("auto",), help=f"{C.help}; auto: the one that suits held-out rows"),
                *_SHARED,
            ),
        ),
        LearnerSpec(
            name="logistic-ovr",
            summary="one-vs-rest liblinear: LogisticRegression as of the recipe (2017)",
            factory="stackkit_plugins.logistic.learner:logistic_ovr",
            options=(C, *_SHARED),
        ),
    ]
