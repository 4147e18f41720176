"""Build an ensemble learner by learner, keeping what helps."""

from stackkit.api import AggregatorSpec, Option, hookimpl


@hookimpl
def stackkit_aggregators() -> list[AggregatorSpec]:
    """Offer `ensemble-selection`."""
    return [
        AggregatorSpec(
            name="ensemble-selection",
            summary="mean probability of learners selected greedily, some of them repeatedly",
            factory="stackkit_plugins.ensemble_selection.aggregator:EnsembleSelection",
            options=(
                Option(
                    name="fit_on",
                    default="out-of-fold",
                    choices=("in-sample", "out-of-fold"),
                    help="probabilities of held-out rows, or of rows the learners know",
                ),
                Option(
                    name="metric",
                    default="log-loss",
                    choices=("log-loss", "accuracy"),
                    help="what a selection improves; ties in accuracy are broken by log-loss",
                ),
                Option(name="rounds", default=100, minimum=0, help="selections after the first ones"),
                Option(
                    name="bags",
                    default=0,
                    minimum=0,
                    help="random parts of the learners to select from and average; 0: all, once",
                ),
                Option(
                    name="bag_fraction",
                    default=0.5,
                    above=0,
                    maximum=1,
                    help="share of the learners in each bag, at least one learner",
                ),
                Option(
                    name="seed",
                    default=0,
                    minimum=0,
                    maximum=2**32 - 1,
                    help="which learners are in which bag; the run's seed by default",
                ),
            ),
        )
    ]
