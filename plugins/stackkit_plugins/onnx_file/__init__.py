"""Backbone: any ONNX file with one image input, without a line of code."""

from stackkit.api import BackboneSpec, hookimpl
from stackkit_plugins.onnx_file.options import OPTIONS

_FACTORY = "stackkit_plugins.onnx_file.backbone:onnx_file"


@hookimpl
def stackkit_backbones() -> list[BackboneSpec]:
    """Offer `onnx`."""
    return [
        BackboneSpec(
            name="onnx",
            summary="any ONNX file with one image input",
            factory=_FACTORY,
            requires=("onnx>=1.16",),
            install="pip install 'stackkit[onnx]'",
            unavailable_reason="stackkit_plugins.onnx_file.backbone:unavailable_reason",
            diagnoses=("stackkit_plugins.onnx_file.diagnosis:engines",),
            weights_file=True,
            options=OPTIONS,
        )
    ]
