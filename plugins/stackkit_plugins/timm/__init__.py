"""Backbones: every network of timm (PyTorch Image Models), and short names for the best of today."""

from stackkit.api import BackboneSpec, Option, hookimpl, seed_option
from stackkit_plugins.shared.network import engine_options
from stackkit_plugins.timm.models import MODELS, Model

_FACTORIES = "stackkit_plugins.timm.backbone"
_REQUIRES = ("timm>=1.0.20",)
_INSTALL = "pip install 'stackkit[timm]'"
_DIAGNOSES = ("stackkit_plugins.timm.diagnosis:torch_and_timm",)


@hookimpl
def stackkit_backbones() -> list[BackboneSpec]:
    """Offer `timm` for every network, and `dinov2-small`, `siglip2-base` and others."""
    return [_any_network(), *map(_short_name, MODELS)]


def _any_network() -> BackboneSpec:
    return BackboneSpec(
        name="timm",
        summary="any network of timm (PyTorch Image Models)",
        factory=f"{_FACTORIES}:timm",
        unavailable_reason=f"{_FACTORIES}:timm.unavailable_reason",
        requires=_REQUIRES,
        install=_INSTALL,
        diagnoses=_DIAGNOSES,
        weights_file=True,
        options=(
            Option(name="model", default=None, type=str, help="name in timm.list_models() (required)"),
            Option(
                name="size",
                default=None,
                type=int,
                minimum=16,
                help="side of the images in pixels; default: the network's own",
            ),
            *_options(),
        ),
    )


def _short_name(model: Model) -> BackboneSpec:
    factory = f"{_FACTORIES}:{model.name.replace('-', '_')}"
    return BackboneSpec(
        name=model.name,
        summary=model.summary,
        image_size=model.size,
        feature_dim=model.width,
        download_bytes=model.download_bytes,
        factory=factory,
        unavailable_reason=f"{factory}.unavailable_reason",
        requires=_REQUIRES,
        install=_INSTALL,
        diagnoses=_DIAGNOSES,
        weights_file=True,
        options=(
            Option(name="size", default=model.size, minimum=16, help="side of the images in pixels"),
            *_options(),
        ),
    )


def _options() -> tuple[Option, ...]:
    return (
        Option(
            name="weights",
            default="hub",
            help="hub (downloaded once), random, or the path of a .safetensors or .pth file",
        ),
        Option(
            name="tokens",
            default="auto",
            choices=("auto", "cls", "mean", "both"),
            help="what a transformer returns; auto: what its own classifier would get",
        ),
        Option(
            name="device",
            default="auto",
            choices=("auto", "cpu", "gpu"),
            help="device of torch; auto: a GPU if there is one",
        ),
        Option(
            name="precision",
            default="float32",
            choices=("float32", "mixed"),
            help="mixed: bfloat16 on a GPU, faster, but features differ and are stored separately",
        ),
        *engine_options("torch", "openvino"),
        seed_option("seed of random weights"),
    )
