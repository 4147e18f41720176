"""Export a model as one ONNX graph, from the pixels of an image to calibrated probabilities."""

from stackkit.onnx_export.export import Exported, export_onnx

__all__ = ["Exported", "export_onnx"]
