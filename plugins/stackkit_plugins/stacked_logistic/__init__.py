"""Aggregator: logistic regression on log-probabilities, one weight per learner."""

from stackkit.api import AggregatorSpec, Option, fit_on_option, hookimpl
from stackkit_plugins.shared.linear_learners import CLASS_WEIGHT


@hookimpl
def stackkit_aggregators() -> list[AggregatorSpec]:
    """Offer `stacked-logistic`."""
    return [
        AggregatorSpec(
            name="stacked-logistic",
            summary="logistic regression on log-probabilities, shrunk to geometric-vote",
            factory="stackkit_plugins.stacked_logistic.aggregator:StackedLogistic",
            process_state=(),
            state="stackkit_plugins.stacked_logistic.state:stacked_logistic_state",
            restore="stackkit_plugins.stacked_logistic.state:restore_stacked_logistic",
            options=(
                fit_on_option("out-of-fold"),
                Option(
                    name="C",
                    default=1.0,
                    above=0,
                    help="inverse regularisation strength; close to 0: geometric-vote",
                ),
                CLASS_WEIGHT,
                Option(
                    name="max_iter", default=1000, minimum=1, help="maximum number of L-BFGS iterations"
                ),
                Option(
                    name="tol",
                    default=1e-6,
                    above=0,
                    help="stop when no gradient component exceeds this",
                ),
            ),
        )
    ]
