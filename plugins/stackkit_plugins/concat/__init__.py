"""All backbones' features side by side into one learner: what stacking has to beat."""

from stackkit.api import AggregatorSpec, hookimpl


@hookimpl
def stackkit_aggregators() -> list[AggregatorSpec]:
    """Offer `concat`."""
    return [
        AggregatorSpec(
            name="concat",
            summary="no stacking: the run's learner on all features, L2-normalised side by side",
            factory="stackkit_plugins.concat.aggregator:Concat",
        )
    ]
