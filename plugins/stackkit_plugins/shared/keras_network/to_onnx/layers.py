"""How ONNX computes each kind of Keras layer, in inference.

Feature maps are (n, height, width, channels) in Keras and (n, channels, height, width) in ONNX; whatever
a layer says about axes and the order of weights is translated here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stackkit.api import OnnxNodes, OnnxTensor, PluginError
from stackkit_plugins.shared.keras_network.to_onnx.activations import activated

Shape: TypeAlias = tuple[int | None, ...]
Converter: TypeAlias = Callable[[OnnxNodes, Any, Sequence[OnnxTensor], Sequence[Shape]], str]
"""Takes the nodes, the layer, its inputs in ONNX, and their shapes in Keras; returns the output."""

SPATIAL = np.array([2, 3])


def converted(
    nodes: OnnxNodes, layer: Any, inputs: Sequence[OnnxTensor], shapes: Sequence[Shape]
) -> str:
    """Add the nodes of one layer; raises PluginError if ONNX cannot be told what it does."""
    kind = type(layer).__name__
    if kind not in _CONVERTERS:
        raise PluginError(f"{layer.name} is a layer of type {kind}, which cannot be exported to ONNX")
    return _CONVERTERS[kind](nodes, layer, inputs, shapes)


def _convolution(nodes: OnnxNodes, layer: Any, x: Sequence[OnnxTensor], shapes: Sequence[Shape]) -> str:
    kernel = np.asarray(layer.kernel).transpose(3, 2, 0, 1)
    return activated(nodes, layer, _convolved(nodes, layer, x[0], shapes[0], kernel, layer.groups))


def _depthwise(nodes: OnnxNodes, layer: Any, x: Sequence[OnnxTensor], shapes: Sequence[Shape]) -> str:
    return activated(nodes, layer, _convolved(nodes, layer, x[0], shapes[0], *_one_by_one(layer.kernel)))


def _separable(nodes: OnnxNodes, layer: Any, x: Sequence[OnnxTensor], shapes: Sequence[Shape]) -> str:
    kernel, groups = _one_by_one(layer.depthwise_kernel)
    middle = _convolved(nodes, layer, x[0], shapes[0], kernel, groups, with_bias=False)
    points = np.asarray(layer.pointwise_kernel).transpose(3, 2, 0, 1)
    bias = [np.asarray(layer.bias)] if layer.use_bias else []
    return activated(nodes, layer, nodes.add("Conv", middle, points, *bias))


def _one_by_one(kernel: Any) -> tuple[NDArray[np.float32], int]:
    """Return a kernel that has its own filters for each channel, and the number of channels."""
    height, width, channels, filters = kernel.shape
    ordered = np.asarray(kernel).transpose(2, 3, 0, 1).reshape(channels * filters, 1, height, width)
    return ordered, int(channels)


def _convolved(
    nodes: OnnxNodes,
    layer: Any,
    x: OnnxTensor,
    shape: Shape,
    kernel: NDArray[np.float32],
    groups: int,
    *,
    with_bias: bool = True,
) -> str:
    bias = [np.asarray(layer.bias)] if with_bias and layer.use_bias else []
    dilations = list(layer.dilation_rate)
    window = [(size - 1) * each + 1 for size, each in zip(kernel.shape[2:], dilations, strict=True)]
    pads = _pads(layer, shape, window)
    strides = list(layer.strides)
    return nodes.add(
        "Conv", x, kernel, *bias, strides=strides, dilations=dilations, pads=pads, group=groups
    )


def _pads(layer: Any, shape: Shape, window: Sequence[int]) -> list[int]:
    """Return how much is added above, left, below, right; Keras' "same" adds the odd one at the end."""
    if layer.padding == "valid":
        return [0, 0, 0, 0]
    sums = []
    for length, size, stride in zip(shape[1:3], window, layer.strides, strict=True):
        assert length is not None
        sums.append(max((-(-length // stride) - 1) * stride + size - length, 0))
    return [each // 2 for each in sums] + [each - each // 2 for each in sums]


def _batch_normalisation(
    nodes: OnnxNodes, layer: Any, x: Sequence[OnnxTensor], shapes: Sequence[Shape]
) -> str:
    mean, variance = np.asarray(layer.moving_mean), np.asarray(layer.moving_variance)
    scale = np.ones_like(mean) if layer.gamma is None else np.asarray(layer.gamma)
    shift = np.zeros_like(mean) if layer.beta is None else np.asarray(layer.beta)
    return nodes.add(
        "BatchNormalization", x[0], scale, shift, mean, variance, epsilon=float(layer.epsilon)
    )


def _layer_normalisation(
    nodes: OnnxNodes, layer: Any, x: Sequence[OnnxTensor], shapes: Sequence[Shape]
) -> str:
    gamma = np.asarray(layer.gamma)
    beta = np.zeros_like(gamma) if layer.beta is None else np.asarray(layer.beta)
    epsilon = float(layer.epsilon)
    return _on_last_axis(
        nodes,
        x[0],
        shapes[0],
        lambda each: nodes.add("LayerNormalization", each, gamma, beta, axis=-1, epsilon=epsilon),
    )


def _dense(nodes: OnnxNodes, layer: Any, x: Sequence[OnnxTensor], shapes: Sequence[Shape]) -> str:
    def product(each: OnnxTensor) -> str:
        made = nodes.add("MatMul", each, np.asarray(layer.kernel))
        return nodes.add("Add", made, np.asarray(layer.bias)) if layer.use_bias else made

    return activated(nodes, layer, _on_last_axis(nodes, x[0], shapes[0], product))


def _on_last_axis(
    nodes: OnnxNodes, x: OnnxTensor, shape: Shape, work: Callable[[OnnxTensor], str]
) -> str:
    if len(shape) == 2:
        return work(x)
    last = nodes.add("Transpose", x, perm=[0, 2, 3, 1])
    return nodes.add("Transpose", work(last), perm=[0, 3, 1, 2])


def _by_channel(values: Any, shape: Shape) -> NDArray[np.float32]:
    """Return one number, or one for each channel, so that it fits (n, channels, height, width)."""
    array = np.asarray(values, np.float32).reshape(-1)
    return array.reshape(-1, 1, 1) if len(shape) == 4 else array


def _rescaling(nodes: OnnxNodes, layer: Any, x: Sequence[OnnxTensor], shapes: Sequence[Shape]) -> str:
    scaled = nodes.add("Mul", x[0], _by_channel(layer.scale, shapes[0]))
    return nodes.add("Add", scaled, _by_channel(layer.offset, shapes[0]))


def _normalisation(
    nodes: OnnxNodes, layer: Any, x: Sequence[OnnxTensor], shapes: Sequence[Shape]
) -> str:
    root = np.maximum(np.sqrt(np.asarray(layer.variance)), 1e-7)  # Keras' epsilon
    moved = nodes.add("Sub", x[0], _by_channel(layer.mean, shapes[0]))
    return nodes.add("Div", moved, _by_channel(root, shapes[0]))


def _layer_scale(nodes: OnnxNodes, layer: Any, x: Sequence[OnnxTensor], shapes: Sequence[Shape]) -> str:
    return nodes.add("Mul", x[0], _by_channel(layer.gamma, shapes[0]))


def _custom_scale(nodes: OnnxNodes, layer: Any, x: Sequence[OnnxTensor], shapes: Sequence[Shape]) -> str:
    return nodes.add("Add", x[0], nodes.add("Mul", x[1], np.array(layer.scale, np.float32)))


def _activation(nodes: OnnxNodes, layer: Any, x: Sequence[OnnxTensor], shapes: Sequence[Shape]) -> str:
    return activated(nodes, layer, x[0])


def _relu(nodes: OnnxNodes, layer: Any, x: Sequence[OnnxTensor], shapes: Sequence[Shape]) -> str:
    if layer.negative_slope or layer.threshold:
        raise PluginError(f"{layer.name} is a ReLU with a slope, which cannot be exported to ONNX")
    if layer.max_value is None:
        return nodes.add("Relu", x[0])
    zero, most = np.array(0, np.float32), np.array(layer.max_value, np.float32)
    return nodes.add("Clip", x[0], zero, most)


def _joined(operator: str) -> Converter:
    def convert(nodes: OnnxNodes, layer: Any, x: Sequence[OnnxTensor], shapes: Sequence[Shape]) -> str:
        made = nodes.add(operator, x[0], x[1])
        for each in x[2:]:
            made = nodes.add(operator, made, each)
        return made

    return convert


def _concatenate(nodes: OnnxNodes, layer: Any, x: Sequence[OnnxTensor], shapes: Sequence[Shape]) -> str:
    if layer.axis not in (-1, len(shapes[0]) - 1):
        raise PluginError(f"{layer.name} joins axis {layer.axis}, which cannot be exported to ONNX")
    return nodes.add("Concat", *x, axis=1)


def _zero_padding(nodes: OnnxNodes, layer: Any, x: Sequence[OnnxTensor], shapes: Sequence[Shape]) -> str:
    (top, bottom), (left, right) = layer.padding
    return nodes.add("Pad", x[0], np.array([0, 0, top, left, 0, 0, bottom, right]))


def _cropping(nodes: OnnxNodes, layer: Any, x: Sequence[OnnxTensor], shapes: Sequence[Shape]) -> str:
    (top, bottom), (left, right) = layer.cropping
    _, height, width, _ = shapes[0]
    assert height is not None
    assert width is not None
    ends = np.array([height - bottom, width - right])
    return nodes.add("Slice", x[0], np.array([top, left]), ends, SPATIAL)


def _pooled(operator: str) -> Converter:
    def convert(nodes: OnnxNodes, layer: Any, x: Sequence[OnnxTensor], shapes: Sequence[Shape]) -> str:
        window, strides = list(layer.pool_size), list(layer.strides)
        pads = _pads(layer, shapes[0], window)
        return nodes.add(operator, x[0], kernel_shape=window, strides=strides, pads=pads)

    return convert


def _global(operator: str) -> Converter:
    def convert(nodes: OnnxNodes, layer: Any, x: Sequence[OnnxTensor], shapes: Sequence[Shape]) -> str:
        return nodes.add(operator, x[0], SPATIAL, keepdims=int(layer.keepdims))

    return convert


def _reshape(nodes: OnnxNodes, layer: Any, x: Sequence[OnnxTensor], shapes: Sequence[Shape]) -> str:
    if len(shapes[0]) != 2 or tuple(layer.target_shape[:2]) != (1, 1):
        raise PluginError(f"{layer.name} reshapes a feature map, which cannot be exported to ONNX")
    return nodes.add("Unsqueeze", x[0], SPATIAL)


def _same(nodes: OnnxNodes, layer: Any, x: Sequence[OnnxTensor], shapes: Sequence[Shape]) -> str:
    assert isinstance(x[0], str)
    return x[0]


_CONVERTERS: MappingProxyType[str, Converter] = MappingProxyType(
    {
        "Activation": _activation,
        "Add": _joined("Add"),
        "AveragePooling2D": _pooled("AveragePool"),
        "BatchNormalization": _batch_normalisation,
        "Concatenate": _concatenate,
        "Conv2D": _convolution,
        "Cropping2D": _cropping,
        "CustomScaleLayer": _custom_scale,
        "Dense": _dense,
        "DepthwiseConv2D": _depthwise,
        "Dropout": _same,
        "GlobalAveragePooling2D": _global("ReduceMean"),
        "GlobalMaxPooling2D": _global("ReduceMax"),
        "LayerNormalization": _layer_normalisation,
        "LayerScale": _layer_scale,
        "MaxPooling2D": _pooled("MaxPool"),
        "Multiply": _joined("Mul"),
        "Normalization": _normalisation,
        "ReLU": _relu,
        "Rescaling": _rescaling,
        "Reshape": _reshape,
        "SeparableConv2D": _separable,
        "StochasticDepth": _same,
        "ZeroPadding2D": _zero_padding,
    }
)
