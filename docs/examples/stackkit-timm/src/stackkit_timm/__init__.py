"""Declare the backbone `timm`, which gives access to every network of timm."""

from stackkit.api import BackboneSpec, Option, hookimpl, seed_option


@hookimpl
def stackkit_backbones() -> list[BackboneSpec]:
    """Return the backbone `timm`."""
    return [
        BackboneSpec(
            name="timm",
            summary="any network of timm (PyTorch Image Models), without its classifier",
            factory="stackkit_timm.backbone:Timm",
            requires=("timm", "torch"),
            install="pip install 'stackkit-timm[torch]'",
            options=(
                Option(name="name", default="resnet18", help="a name from timm.list_models()"),
                Option(
                    name="weights",
                    default="pretrained",
                    help="pretrained (downloaded once by timm), random, or the path of a checkpoint",
                ),
                Option(
                    name="device",
                    default="auto",
                    choices=("auto", "cpu", "gpu"),
                    help="device for torch; auto: a GPU if there is one",
                ),
                Option(name="batch_size", default=32, minimum=1, help="images per batch"),
                seed_option("seed of weights=random"),
            ),
        )
    ]
