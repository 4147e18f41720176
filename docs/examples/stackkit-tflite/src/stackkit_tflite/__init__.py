"""Declare the backbone `tflite`; backbone.py and modelfile.py implement it."""

from stackkit.api import BackboneSpec, Option, hookimpl


@hookimpl
def stackkit_backbones() -> list[BackboneSpec]:
    """Return the backbone `tflite`."""
    return [
        BackboneSpec(
            name="tflite",
            summary="network in a .tflite model file, quantized or not",
            factory="stackkit_tflite.backbone:tflite",
            unavailable_reason="stackkit_tflite.modelfile:unavailable_reason",
            options=(
                Option(name="model", default=None, type=str, help="path of the model file (required)"),
                Option(
                    name="low",
                    default="auto",
                    type=float,
                    words=("auto",),
                    help="input value for black; auto: from the quantization of the input",
                ),
                Option(
                    name="high",
                    default="auto",
                    type=float,
                    words=("auto",),
                    help="input value for white; auto: from the quantization of the input",
                ),
                Option(
                    name="output",
                    default=0,
                    minimum=0,
                    help="number of the output with the features; maps are averaged",
                ),
                Option(name="threads", default=0, minimum=0, help="CPU threads; 0: all cores"),
            ),
        )
    ]
