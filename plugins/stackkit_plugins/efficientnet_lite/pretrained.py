"""Copy the tensors of a published EfficientNet-Lite checkpoint into the Keras network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from stackkit.api import WeightsError
from stackkit_plugins.efficientnet_lite.torch_checkpoint import Array, read_checkpoint

_Part: TypeAlias = tuple[str, Callable[[Array], Array]]

_CLASSIFIER = {"_fc.weight", "_fc.bias"}
# PyTorch counts the training steps of every batch normalisation; inference does not use them.
_COUNTER = ".num_batches_tracked"


def load_pretrained(network: Any, path: Path) -> None:
    """Set every weight of a network from a checkpoint, and make sure that every tensor is used.

    A checkpoint with unused tensors is one of another, deeper network. Ignored are only the
    counters of training steps and, if the network has no classifier, the classifier's two tensors.

    Parameters
    ----------
    network : keras.Model
        Made by `architecture.build`. After an error it must not be used.
    path : Path
        A checkpoint in PyTorch's legacy format.

    Raises
    ------
    WeightsError
        If the file is damaged or belongs to another network.

    """
    tensors = read_checkpoint(path)
    used: set[str] = set()
    for layer in network.layers:
        if layer.weights:
            parts = _parts(layer)
            layer.set_weights(_values(layer, parts, tensors, path, network.name))
            used.update(name for name, _ in parts)
    unused = {name for name in tensors if not name.endswith(_COUNTER)} - used - _CLASSIFIER
    if unused:
        raise WeightsError(
            f"{path} does not fit {network.name}: its tensor {min(unused)} is not part of the network; "
            "pass a checkpoint of the same network"
        )


def _values(
    layer: Any, parts: list[_Part], tensors: Mapping[str, Array], path: Path, network: str
) -> list[Array]:
    values = []
    for (name, converted), weight in zip(parts, layer.weights, strict=True):
        tensor = tensors.get(name)
        if tensor is None or tensor.dtype != "float32":
            raise WeightsError(
                f"{path} does not fit {network}: it has no float32 tensor {name}; "
                "pass a checkpoint of the same network"
            )
        if tensor.ndim != weight.ndim or converted(tensor).shape != tuple(weight.shape):
            raise WeightsError(
                f"{path} does not fit {network}: its {name} has shape {tensor.shape}, "
                f"expected {tuple(weight.shape)} (in Keras' order of axes); "
                "pass a checkpoint of the same network"
            )
        values.append(converted(tensor))
    return values


def _parts(layer: Any) -> list[_Part]:
    """Return the names of a layer's tensors in the order of its weights, each with its conversion.

    PyTorch and Keras order the axes of kernels differently.
    """
    name = ".".join(part if part.isdigit() else f"_{part}" for part in layer.name.split("."))
    match type(layer).__name__:
        case "Conv2D":  # out, in, height, width -> height, width, in, out
            return [(f"{name}.weight", lambda tensor: tensor.transpose(2, 3, 1, 0))]
        case "DepthwiseConv2D":  # channels, 1, height, width -> height, width, channels, 1
            return [(f"{name}.weight", lambda tensor: tensor.transpose(2, 3, 0, 1))]
        case "Dense":
            return [(f"{name}.weight", lambda tensor: tensor.T), (f"{name}.bias", _unchanged)]
    parts = ("weight", "bias", "running_mean", "running_var")
    return [(f"{name}.{part}", _unchanged) for part in parts]


def _unchanged(tensor: Array) -> Array:
    return tensor
