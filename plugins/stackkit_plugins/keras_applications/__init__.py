"""Backbones: every model of keras.applications, without its classifier."""

from stackkit.api import BackboneSpec, Option, hookimpl
from stackkit_plugins.keras_applications.layers import layer_names
from stackkit_plugins.keras_applications.models import MODELS, Model
from stackkit_plugins.shared.keras_network import DIAGNOSIS, network_options

_FACTORIES = "stackkit_plugins.keras_applications.backbone"
_WEIGHTS = "stackkit_plugins.keras_applications.keras_files:downloaded_weights"


@hookimpl
def stackkit_backbones() -> list[BackboneSpec]:
    """Offer `vgg19`, `resnet50`, `inception-v3`, `xception` and all other models."""
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
        weights_file=True,
        options=_options(model),
    )


def _options(model: Model) -> tuple[Option, ...]:
    options = network_options(
        weights="imagenet (downloaded by Keras), random, or the path of a Keras weights file",
        size=model.size,
        smallest=model.smallest,
        layers=layer_names(model),
        size_note=_size_note(model),
    )
    if not model.alphas:
        return options
    return (*options, Option(name="alpha", default=1.0, choices=model.alphas, help="width multiplier"))


def _size_note(model: Model) -> str:
    if not model.trained_sizes:
        return ""
    sizes = ", ".join(str(size) for size in model.trained_sizes)
    return f"; weights exist for {sizes}, other sizes use those for 224"
