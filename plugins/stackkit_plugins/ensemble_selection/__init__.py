"""Build an ensemble learner by learner, keeping what helps."""

from stackkit.api import AggregatorSpec, Option, fit_on_option, hookimpl, seed_option


@hookimpl
def stackkit_aggregators() -> list[AggregatorSpec]:
    """Offer `ensemble-selection`."""
    return [
        AggregatorSpec(
            name="ensemble-selection",
            summary="mean probability of learners selected greedily, some of them repeatedly",
            factory="stackkit_plugins.ensemble_selection.aggregator:EnsembleSelection",
            options=(
                fit_on_option("out-of-fold"),
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
                seed_option("which learners are in which bag"),
            ),
        )
    ]
