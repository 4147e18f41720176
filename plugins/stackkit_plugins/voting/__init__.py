"""Aggregators that vote: by the mean probability, its logarithm, first choices, or a weighted mean."""

from stackkit.api import AggregatorSpec, Option, fit_on_option, hookimpl
from stackkit_plugins.shared.linear_learners import CLASS_WEIGHT


@hookimpl
def stackkit_aggregators() -> list[AggregatorSpec]:
    """Offer `soft-vote`, `geometric-vote`, `majority-vote` and `weighted-vote`."""
    return [
        AggregatorSpec(
            name="soft-vote",
            summary="class with the highest mean probability; learns nothing",
            factory="stackkit_plugins.voting.unweighted:SoftVote",
            process_state=(),
            state="stackkit_plugins.voting.state:vote_state",
            restore="stackkit_plugins.voting.state:restore_soft_vote",
            onnx="stackkit_plugins.shared.aggregator_nodes:soft_vote",
            learns=False,
        ),
        AggregatorSpec(
            name="geometric-vote",
            summary="class with the highest mean log-probability; learns nothing",
            factory="stackkit_plugins.voting.unweighted:GeometricVote",
            process_state=(),
            state="stackkit_plugins.voting.state:vote_state",
            restore="stackkit_plugins.voting.state:restore_geometric_vote",
            onnx="stackkit_plugins.shared.aggregator_nodes:geometric_vote",
            learns=False,
        ),
        AggregatorSpec(
            name="majority-vote",
            summary="class that most learners rank first; mean probability breaks ties",
            factory="stackkit_plugins.voting.unweighted:MajorityVote",
            process_state=(),
            state="stackkit_plugins.voting.state:vote_state",
            restore="stackkit_plugins.voting.state:restore_majority_vote",
            onnx="stackkit_plugins.shared.aggregator_nodes:majority_vote",
            learns=False,
        ),
        AggregatorSpec(
            name="weighted-vote",
            summary="weighted mean probability; the weights minimise the log-loss",
            factory="stackkit_plugins.voting.weighted:WeightedVote",
            process_state=(),
            state="stackkit_plugins.voting.state:vote_state",
            restore="stackkit_plugins.voting.state:restore_weighted_vote",
            onnx="stackkit_plugins.shared.aggregator_nodes:weighted_vote",
            options=(
                fit_on_option("out-of-fold"),
                CLASS_WEIGHT,
                Option(
                    name="max_iter",
                    default=1000,
                    minimum=1,
                    help="maximum number of updates of the weights",
                ),
                Option(
                    name="tol",
                    default=1e-6,
                    above=0,
                    help="stop when the log-loss is proven to be within tol of its minimum",
                ),
            ),
        ),
    ]
