"""Activation functions of Keras layers as ONNX nodes."""

from __future__ import annotations

from typing import Any

import numpy as np

from stackkit.api import OnnxNodes, OnnxTensor, PluginError


def activated(nodes: OnnxNodes, layer: Any, x: OnnxTensor) -> str:
    """Apply a layer's activation; raises PluginError for one that ONNX cannot be told."""
    name = layer.activation.__name__
    match name:
        case "linear":
            return x if isinstance(x, str) else nodes.constant(x)
        case "relu":
            return nodes.add("Relu", x)
        case "relu6":
            return nodes.add("Clip", x, _number(0), _number(6))
        case "sigmoid":
            return nodes.add("Sigmoid", x)
        case "silu" | "swish":
            return nodes.add("Mul", x, nodes.add("Sigmoid", x))
        case "hard_sigmoid":
            return _hard_sigmoid(nodes, x)
        case "hard_silu" | "hard_swish":
            return nodes.add("Mul", x, _hard_sigmoid(nodes, x))
        case "tanh":
            return nodes.add("Tanh", x)
        case "gelu":
            share = nodes.add("Erf", nodes.add("Mul", x, _number(np.sqrt(0.5))))
            half = nodes.add("Mul", x, _number(0.5))
            return nodes.add("Mul", half, nodes.add("Add", share, _number(1)))
    raise PluginError(f"{layer.name} has the activation {name}, which cannot be exported to ONNX")


def _hard_sigmoid(nodes: OnnxNodes, x: OnnxTensor) -> str:
    return nodes.add("HardSigmoid", x, alpha=1 / 6, beta=0.5)


def _number(value: float) -> Any:
    return np.array(value, np.float32)
