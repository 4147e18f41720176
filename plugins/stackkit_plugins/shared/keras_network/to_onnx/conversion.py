"""Walk through a Keras network, and add the nodes of each layer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit.api import OnnxNodes, OnnxTensor, PluginError
from stackkit_plugins.shared.keras_network.network import NetworkDefinition
from stackkit_plugins.shared.keras_network.to_onnx.layers import Shape, converted
from stackkit_plugins.shared.keras_network.to_onnx.pooling import pooled


@dataclass(frozen=True, kw_only=True)
class _Call:
    """A layer of a network with its inputs and its output in ONNX."""

    layer: Any
    inputs: list[OnnxTensor]
    shapes: list[Shape]
    output: str
    output_shape: Shape


@dataclass(frozen=True, kw_only=True)
class _Walk:
    """The calls of a network's layers, in order."""

    nodes: OnnxNodes
    calls: list[_Call] = field(default_factory=list)

    def through(self, model: Any, images: str) -> None:
        """Add the nodes of all layers of a functional model with one input."""
        import keras

        names: dict[int, str] = {}
        alive: list[Any] = []  # a tensor that is gone could share its id with another one

        def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
            if isinstance(layer, keras.Sequential):  # layers inside a layer, as ConvNeXt has them
                return reduce(lambda x, each: call(each, x), layer.layers, args[0])
            output = layer(*args, **kwargs)
            sources = keras.tree.flatten(args)
            # The only tensor without a name is the input; what is no tensor is a number.
            inputs = [
                names.get(id(each), images) if hasattr(each, "shape") else np.array(each, np.float32)
                for each in sources
            ]
            shapes = [tuple(getattr(each, "shape", ())) for each in sources]
            names[id(output)] = converted(self.nodes, layer, inputs, shapes)
            alive.append(output)
            self.calls.append(
                _Call(
                    layer=layer,
                    inputs=inputs,
                    shapes=shapes,
                    output=names[id(output)],
                    output_shape=tuple(output.shape),
                )
            )
            return output

        keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=call)

    def feature_map(self, layer: str | None) -> tuple[str, Callable[[str], str]]:
        """Return the feature map to pool, and what the network computes behind the pooling."""
        if layer is not None:
            return next(each.output for each in self.calls if each.layer.name == layer), _unchanged
        # The last one: blocks with squeeze-and-excitation pool too.
        kinds = [type(each.layer).__name__ for each in self.calls]
        place = max(i for i, kind in enumerate(kinds) if kind == "GlobalAveragePooling2D")

        def tail(x: str) -> str:
            for each in self.calls[place + 1 :]:
                x = converted(self.nodes, each.layer, [x], each.shapes)
            return x

        (feature_map,) = self.calls[place].inputs
        assert isinstance(feature_map, str)
        return feature_map, tail

    def sides(self, feature_map: str) -> tuple[int, int]:
        """Return the height and width of a feature map."""
        shape = next(each.output_shape for each in self.calls if each.output == feature_map)
        assert shape[1] is not None
        assert shape[2] is not None
        return shape[1], shape[2]


def network_nodes(nodes: OnnxNodes, definition: NetworkDefinition, model: Any, images: str) -> str:
    """Add the nodes that compute the features of a network.

    Parameters
    ----------
    nodes : OnnxNodes
        Where nodes are added.
    definition : NetworkDefinition
        The network.
    model : keras.Model
        What its `plain_model` returned.
    images : str
        (n, size, size, 3) uint8 RGB.

    Returns
    -------
    str
        (n, feature_dim) float32.

    Raises
    ------
    PluginError
        If a layer or a pooling cannot be exported.

    """
    walk = _Walk(nodes=nodes)
    walk.through(model, _prepared(nodes, definition, images))
    features = []
    for each in definition.poolings:
        feature_map, tail = walk.feature_map(each.layer)
        sides = walk.sides(feature_map)
        features.append(pooled(nodes, each, feature_map, tail, sides, definition.name))
    return features[0] if len(features) == 1 else nodes.add("Concat", *features, axis=1)


def _prepared(nodes: OnnxNodes, definition: NetworkDefinition, images: str) -> str:
    """Return (n, 3, size, size) float32 pixels as the network takes them."""
    matrix, shift = _affine(definition)
    pixels = nodes.cast(images, np.float32)
    scaled = nodes.add("Add", nodes.add("MatMul", pixels, matrix), shift)
    return nodes.add("Transpose", scaled, perm=[0, 3, 1, 2])


def _affine(definition: NetworkDefinition) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the matrix (3, 3) and the shift (3,) of the preprocessing, found on black and pure colours.

    All networks that Keras has are trained on such pixels; it is checked on random ones.
    """
    colours = np.concatenate([np.zeros((1, 3)), np.eye(3), np.random.default_rng(0).random((64, 3))])
    pixels = (255 * colours).astype(np.float32)
    found = np.asarray(definition.preprocess(pixels.reshape(1, 1, -1, 3).copy()))[0, 0]
    shift = found[0].astype(np.float64)
    matrix = (found[1:4] - shift) / 255
    if not np.allclose(pixels @ matrix + shift, found, rtol=1e-5, atol=1e-4):
        raise PluginError(f"the preprocessing of {definition.name} cannot be exported to ONNX")
    return matrix.astype(np.float32), shift.astype(np.float32)


def _unchanged(x: str) -> str:
    return x
