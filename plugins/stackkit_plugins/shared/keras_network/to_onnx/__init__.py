"""A Keras network as nodes of an ONNX graph: layer by layer, then the poolings."""
