"""Export a model as one ONNX graph, from pixels to calibrated probabilities."""
