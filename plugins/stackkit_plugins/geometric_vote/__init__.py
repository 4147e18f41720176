"""The geometric mean of the base learners' probabilities: doubt counts for more than in `soft-vote`."""

from stackkit.api import AggregatorSpec, hookimpl


@hookimpl
def stackkit_aggregators() -> list[AggregatorSpec]:
    """Offer `geometric-vote`."""
    return [
        AggregatorSpec(
            name="geometric-vote",
            summary="class with the highest mean log-probability; learns nothing",
            factory="stackkit_plugins.geometric_vote.aggregator:GeometricVote",
        )
    ]
