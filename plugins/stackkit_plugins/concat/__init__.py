"""Aggregator: one learner on the concatenated features of all backbones, to compare stacks with."""

from stackkit.api import AggregatorSpec, hookimpl


@hookimpl
def stackkit_aggregators() -> list[AggregatorSpec]:
    """Offer `concat`."""
    return [
        AggregatorSpec(
            name="concat",
            summary="no stacking: one learner on all L2-normalised features, concatenated",
            factory="stackkit_plugins.concat.aggregator:Concat",
            process_state=(),
            state="stackkit_plugins.concat.state:concat_state",
            restore="stackkit_plugins.concat.state:restore_concat",
        )
    ]
