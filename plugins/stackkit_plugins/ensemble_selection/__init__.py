"""Aggregator: build an ensemble greedily, learner by learner."""

from stackkit.api import AggregatorSpec, Option, fit_on_option, hookimpl, seed_option
from stackkit_plugins.shared.linear_learners import CLASS_WEIGHT


@hookimpl
def stackkit_aggregators() -> list[AggregatorSpec]:
    """Offer `ensemble-selection`."""
    return [
        AggregatorSpec(
            name="ensemble-selection",
            summary="mean probability of greedily selected learners, repeats allowed",
            factory="stackkit_plugins.ensemble_selection.aggregator:EnsembleSelection",
            process_state=(),
            state="stackkit_plugins.ensemble_selection.state:ensemble_selection_state",
            restore="stackkit_plugins.ensemble_selection.state:restore_ensemble_selection",
            options=(
                fit_on_option("out-of-fold"),
                CLASS_WEIGHT,
                Option(
                    name="metric",
                    default="log-loss",
                    choices=("log-loss", "accuracy"),
                    help="metric that selection improves; log-loss breaks ties in accuracy",
                ),
                Option(
                    name="rounds",
                    default=100,
                    minimum=0,
                    help="number of selections after the initial ensemble",
                ),
                Option(
                    name="bags",
                    default=0,
                    minimum=0,
                    help="number of random subsets to select from and average; 0: none",
                ),
                Option(
                    name="bag_fraction",
                    default=0.5,
                    above=0,
                    maximum=1,
                    help="fraction of the learners in each bag (at least one learner)",
                ),
                seed_option("seed of the bags"),
            ),
        )
    ]
