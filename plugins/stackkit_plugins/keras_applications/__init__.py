"""Backbones: every model of keras.applications, cut before its classifier."""

from stackkit.api import BackboneSpec, Option, hookimpl
from stackkit_plugins.keras_applications.models import MODELS, Model
from stackkit_plugins.keras_network import DIAGNOSIS, running_options

_FACTORIES = "stackkit_plugins.keras_applications.backbone"
_WEIGHTS = "stackkit_plugins.keras_applications.keras_files:downloaded_weights"


@hookimpl
def stackkit_backbones() -> list[BackboneSpec]:
    """Offer `vgg19`, `resnet50`, `inception-v3`, `xception` and all the others."""
    return [_spec(model) for model in MODELS]


def _spec(model: Model) -> BackboneSpec:
    return BackboneSpec(
        name=model.name,
        summary=f"{model.function} of keras.applications, {model.size} px, {model.width()} features",
        factory=f"{_FACTORIES}:{model.function}",
        lacking=f"{_FACTORIES}:{model.function}.lacking",
        diagnoses=(DIAGNOSIS, _WEIGHTS),
        options=_options(model),
    )


def _options(model: Model) -> tuple[Option, ...]:
    options = [
        Option(
            name="weights",
            default="imagenet",
            help="imagenet (Keras downloads and checks them), random, or a Keras weights file's path",
        ),
        Option(name="size", default=model.size, help=_size_help(model)),
        Option(
            name="pooling",
            default="avg",
            choices=("avg", "max"),
            help="global pooling of the last feature map",
        ),
        *running_options(),
    ]
    if model.alphas:
        options.append(Option(name="alpha", default=1.0, choices=model.alphas, help="width multiplier"))
    return tuple(options)


def _size_help(model: Model) -> str:
    text = f"side of the images in pixels, from {model.smallest} on"
    if model.trained_sizes:
        sizes = ", ".join(str(size) for size in model.trained_sizes)
        text += f"; there are weights for {sizes}, and other sizes take those for 224"
    return text
