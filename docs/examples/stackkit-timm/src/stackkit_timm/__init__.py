"""Tell stackkit of the backbone `timm`: one name, a thousand networks; the work stands beside this."""

from stackkit.api import BackboneSpec, Option, hookimpl, seed_option


@hookimpl
def stackkit_backbones() -> list[BackboneSpec]:
    """Offer `timm`."""
    return [
        BackboneSpec(
            name="timm",
            summary="any network of timm (PyTorch Image Models), without its classifier",
            factory="stackkit_timm.backbone:Timm",
            requires=("timm", "torch"),
            install="pip install 'stackkit-timm[torch]'",
            options=(
                Option(name="name", default="resnet18", help="as timm.list_models() has it"),
                Option(
                    name="weights",
                    default="pretrained",
                    help="pretrained (timm downloads them once), random, or a checkpoint's path",
                ),
                Option(
                    name="device",
                    default="auto",
                    choices=("auto", "cpu", "gpu"),
                    help="where torch computes; auto: a GPU if there is one",
                ),
                Option(name="batch_size", default=32, minimum=1, help="images per pass"),
                seed_option("seed of weights=random"),
            ),
        )
    ]
