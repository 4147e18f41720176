"""Tell stackkit of a learner and an aggregator that need no optimiser; the work stands beside this."""

from stackkit.api import AggregatorSpec, LearnerSpec, Option, hookimpl


@hookimpl
def stackkit_learners() -> list[LearnerSpec]:
    """Offer `knn`."""
    return [
        LearnerSpec(
            name="knn",
            summary="the k nearest training images vote, near ones more",
            factory="stackkit_neighbours.learner:Neighbours",
            options=(
                Option(name="k", default=15, minimum=1, help="how many of the nearest images vote"),
                Option(
                    name="weights",
                    default="distance",
                    choices=("distance", "uniform"),
                    help="distance: votes count by the inverse of the distance; uniform: all the same",
                ),
                Option(
                    name="metric",
                    default="cosine",
                    choices=("cosine", "euclidean"),
                    help="cosine compares directions of features, and suits most networks",
                ),
            ),
        )
    ]


@hookimpl
def stackkit_aggregators() -> list[AggregatorSpec]:
    """Offer `borda`."""
    return [
        AggregatorSpec(
            name="borda",
            summary="Borda count: every learner ranks the classes, ranks are added; learns nothing",
            factory="stackkit_neighbours.aggregator:Borda",
        )
    ]
