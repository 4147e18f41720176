"""Learners: logistic regression as in scikit-learn today, as it was in 2017, and from small batches."""

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

_FROM_SMALL_BATCHES = LearnerSpec(
    name="sgd-logistic",
    summary="multinomial logistic regression from small batches, for many rows",
    factory="stackkit_plugins.logistic.learner:sgd_logistic",
    process_state=(),
    state="stackkit_plugins.logistic.state:sgd_logistic_state",
    restore="stackkit_plugins.logistic.state:restore_sgd_logistic",
    onnx="stackkit_plugins.shared.linear_learners.to_onnx:softmax_learner",
    options=(
        C,
        Option(
            name="epochs",
            default="auto",
            type=int,
            words=("auto",),
            minimum=1,
            help="passes over the rows; auto: 3, or more for 2,000 steps",
        ),
        CLASS_WEIGHT,
        seed_option("seed of the order of the rows"),
        replace(NORMALISE, default="standardise"),
    ),
)


@hookimpl
def stackkit_learners() -> list[LearnerSpec]:
    """Offer `logistic`, `logistic-ovr` and `sgd-logistic`."""
    return [
        LearnerSpec(
            name="logistic",
            summary="scikit-learn's multinomial LogisticRegression",
            factory="stackkit_plugins.logistic.learner:logistic",
            process_state="stackkit_plugins.logistic.learner:process_state",
            state="stackkit_plugins.logistic.state:logistic_state",
            restore="stackkit_plugins.logistic.state:restore_logistic",
            onnx="stackkit_plugins.shared.linear_learners.to_onnx:logistic",
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
            onnx="stackkit_plugins.shared.linear_learners.to_onnx:logistic_ovr",
            options=(C, *_SHARED),
        ),
        _FROM_SMALL_BATCHES,
    ]
