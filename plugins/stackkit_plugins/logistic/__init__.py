"""Learners: logistic regression as in scikit-learn today, and as it was in 2017."""

from dataclasses import replace

from stackkit.api import LearnerSpec, Option, hookimpl, seed_option
from stackkit_plugins.shared.linear_learners import CLASS_WEIGHT, LIBLINEAR, NORMALISE, TOL, C

_SHARED = (
    Option(name="max_iter", default=100, minimum=1, help="maximum number of solver iterations"),
    TOL,
    Option(name="fit_intercept", default=True, help="whether to fit an intercept"),
    CLASS_WEIGHT,
    seed_option("seed of solvers that shuffle"),
    NORMALISE,
)


@hookimpl
def stackkit_learners() -> list[LearnerSpec]:
    """Offer `logistic` and `logistic-ovr`."""
    return [
        LearnerSpec(
            name="logistic",
            summary="scikit-learn's multinomial LogisticRegression",
            factory="stackkit_plugins.logistic.learner:logistic",
            process_state="stackkit_plugins.logistic.learner:process_state",
            state="stackkit_plugins.logistic.state:logistic_state",
            restore="stackkit_plugins.logistic.state:restore_logistic",
            options=(
                Option(
                    name="solver",
                    default="lbfgs",
                    choices=("lbfgs", "newton-cg", "newton-cholesky", "sag", "saga", "batched"),
                    help="batched: stackkit's own, faster, with a proven gap of tol^2",
                ),
                replace(C, words=("auto",), help=f"{C.help}; auto: selected on held-out rows"),
                *_SHARED,
            ),
        ),
        LearnerSpec(
            name="logistic-ovr",
            summary="one-vs-rest with liblinear, as LogisticRegression was in 2017",
            factory="stackkit_plugins.logistic.learner:logistic_ovr",
            process_state=LIBLINEAR,
            state="stackkit_plugins.logistic.state:logistic_ovr_state",
            restore="stackkit_plugins.logistic.state:restore_logistic_ovr",
            options=(C, *_SHARED),
        ),
    ]
