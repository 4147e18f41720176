"""A weighted mean of the base learners' probabilities: better learners count for more."""

from stackkit.api import AggregatorSpec, Option, fit_on_option, hookimpl


@hookimpl
def stackkit_aggregators() -> list[AggregatorSpec]:
    """Offer `weighted-vote`."""
    return [
        AggregatorSpec(
            name="weighted-vote",
            summary="mean probability with the weights that minimise the log-loss",
            factory="stackkit_plugins.weighted_vote.aggregator:WeightedVote",
            options=(
                fit_on_option("out-of-fold"),
                Option(name="max_iter", default=1000, minimum=1, help="most updates of the weights"),
                Option(
                    name="tol",
                    default=1e-6,
                    above=0,
                    help="how far the log-loss may be above its least value",
                ),
            ),
        )
    ]
