"""Tell stackkit of the backbone `tflite`; the work stands in backbone.py and modelfile.py."""

from stackkit.api import BackboneSpec, Option, hookimpl


@hookimpl
def stackkit_backbones() -> list[BackboneSpec]:
    """Offer `tflite`."""
    return [
        BackboneSpec(
            name="tflite",
            summary="a network from a .tflite model file, quantized or not",
            factory="stackkit_tflite.backbone:tflite",
            unavailable_reason="stackkit_tflite.modelfile:unavailable_reason",
            options=(
                Option(name="model", default=None, type=str, help="the model file's path (required)"),
                Option(
                    name="low",
                    default="auto",
                    type=float,
                    words=("auto",),
                    help="what the network takes for black; auto: as its input is quantized",
                ),
                Option(
                    name="high",
                    default="auto",
                    type=float,
                    words=("auto",),
                    help="what the network takes for white; auto: as its input is quantized",
                ),
                Option(
                    name="output",
                    default=0,
                    minimum=0,
                    help="number of the output that has the features; maps are averaged",
                ),
                Option(name="threads", default=0, minimum=0, help="CPU threads; 0: all cores"),
            ),
        )
    ]
