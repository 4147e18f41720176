"""Declare a learner and an aggregator that need no optimiser."""

from stackkit.api import AggregatorSpec, LearnerSpec, Option, hookimpl


@hookimpl
def stackkit_learners() -> list[LearnerSpec]:
    """Return the learner `knn`."""
    return [
        LearnerSpec(
            name="knn",
            summary="majority vote of the k nearest training images",
            factory="stackkit_neighbours.learner:Neighbours",
            process_state=(),
            state="stackkit_neighbours.learner:state",
            restore="stackkit_neighbours.learner:restore",
            options=(
                Option(name="k", default=15, minimum=1, help="number of nearest images that vote"),
                Option(
                    name="weights",
                    default="distance",
                    choices=("distance", "uniform"),
                    help="distance: weight votes by inverse distance; uniform: equal votes",
                ),
                Option(
                    name="metric",
                    default="cosine",
                    choices=("cosine", "euclidean"),
                    help="cosine compares the direction of features and suits most networks",
                ),
            ),
        )
    ]


@hookimpl
def stackkit_aggregators() -> list[AggregatorSpec]:
    """Return the aggregator `borda`."""
    return [
        AggregatorSpec(
            name="borda",
            summary="Borda count: the sum of the learners' rankings of the classes; no fit",
            factory="stackkit_neighbours.aggregator:Borda",
            process_state=(),
            state="stackkit_neighbours.aggregator:state",
            restore="stackkit_neighbours.aggregator:restore",
        )
    ]
