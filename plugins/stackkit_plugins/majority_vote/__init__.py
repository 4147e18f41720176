"""One vote for each base learner, to show what the probabilities add to the labels."""

from stackkit.api import AggregatorSpec, hookimpl


@hookimpl
def stackkit_aggregators() -> list[AggregatorSpec]:
    """Offer `majority-vote`."""
    return [
        AggregatorSpec(
            name="majority-vote",
            summary="class that most learners put first, mean probability in a tie; learns nothing",
            factory="stackkit_plugins.majority_vote.aggregator:MajorityVote",
        )
    ]
