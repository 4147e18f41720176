"""The plain mean of the base learners' probabilities, to show what a meta-classifier adds."""

from stackkit.api import AggregatorSpec, hookimpl


@hookimpl
def stackkit_aggregators() -> list[AggregatorSpec]:
    """Offer `soft-vote`."""
    return [
        AggregatorSpec(
            name="soft-vote",
            summary="class with the highest mean probability; learns nothing",
            factory="stackkit_plugins.soft_vote.aggregator:SoftVote",
        )
    ]
