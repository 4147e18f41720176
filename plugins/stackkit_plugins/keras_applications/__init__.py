"""Backbones: every model of keras.applications, cut before its classifier."""

from stackkit.api import BackboneSpec, Option, hookimpl
from stackkit_plugins.keras_applications.models import MODELS, Model
from stackkit_plugins.keras_network import DIAGNOSIS, network_options

_FACTORIES = "stackkit_plugins.keras_applications.backbone"
_WEIGHTS = "stackkit_plugins.keras_applications.keras_files:downloaded_weights"


@hookimpl
def stackkit_backbones() -> list[BackboneSpec]:
    """Offer `vgg19`, `resnet50`, `inception-v3`, `xception` and all the others."""
    return [_spec(model) for model in MODELS]


def _spec(model: Model) -> BackboneSpec:
    return BackboneSpec(
        name=model.name,
        summary=f"Keras {model.function}",
        image_size=model.size,
        feature_dim=model.width(),
        download_bytes=round(model.megabytes() * 1e6),
        factory=f"{_FACTORIES}:{model.function}",
        unavailable_reason=f"{_FACTORIES}:{model.function}.unavailable_reason",
        diagnoses=(DIAGNOSIS, _WEIGHTS),
        options=_options(model),
    )


def _options(model: Model) -> tuple[Option, ...]:
    options = network_options(
        weights="imagenet (Keras downloads and checks them), random, or a Keras weights file's path",
        size=model.size,
        smallest=model.smallest,
        on_sizes=_on_sizes(model),
    )
    if not model.alphas:
        return options
    return (*options, Option(name="alpha", default=1.0, choices=model.alphas, help="width multiplier"))


def _on_sizes(model: Model) -> str:
    if not model.trained_sizes:
        return ""
    sizes = ", ".join(str(size) for size in model.trained_sizes)
    return f"; there are weights for {sizes}, and other sizes take those for 224"
