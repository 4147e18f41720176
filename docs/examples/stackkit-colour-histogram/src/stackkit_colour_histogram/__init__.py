"""Declare the components of this plugin; backbone.py implements them."""

from stackkit.api import BackboneSpec, Option, hookimpl


@hookimpl
def stackkit_backbones() -> list[BackboneSpec]:
    """Return the backbone `colour-histogram`."""
    return [
        BackboneSpec(
            name="colour-histogram",
            summary="joint RGB colour histogram: no network, no weights",
            factory="stackkit_colour_histogram.backbone:ColourHistogram",
            options=(Option(name="bins", default=4, help="bins per colour channel, 1 to 16"),),
        )
    ]
