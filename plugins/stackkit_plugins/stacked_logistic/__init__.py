"""Multinomial logistic regression on log-probabilities: one weight a learner, one constant a class."""

from stackkit.api import AggregatorSpec, Option, fit_on_option, hookimpl


@hookimpl
def stackkit_aggregators() -> list[AggregatorSpec]:
    """Offer `stacked-logistic`."""
    return [
        AggregatorSpec(
            name="stacked-logistic",
            summary="logistic regression on log-probabilities, drawn towards geometric-vote",
            factory="stackkit_plugins.stacked_logistic.aggregator:StackedLogistic",
            options=(
                fit_on_option("out-of-fold"),
                Option(
                    name="C",
                    default=1.0,
                    above=0,
                    help="inverse of the regularisation strength; near 0 it is geometric-vote",
                ),
                Option(name="max_iter", default=1000, minimum=1, help="most iterations of L-BFGS"),
                Option(name="tol", default=1e-6, above=0, help="largest slope at which it stops"),
            ),
        )
    ]
