"""Put a weights file into a network: every weight of it, or an error.

Files with and without the classifier ("top") are taken, in Keras' legacy HDF5 layout (`.h5`, which
all of Keras' own ImageNet weights have) and in Keras 3's (`.weights.h5`, `.keras`).
"""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from stackkit.api import WeightsError


@dataclass(frozen=True, kw_only=True)
class _Layer:
    """A layer with weights as the file has it; arrays are read when they are asked for."""

    name: str
    weights: Sequence[h5py.Dataset]


def load_weights(network: Any, path: Path, *, name: str, top_layers: int) -> None:
    """Set all weights of a Keras network from a file that holds just this architecture.

    `name` is what messages call the network; a file may hold `top_layers` further layers with
    weights, those of the classifier. Raises WeightsError if the file is damaged or of another
    architecture or width; the network is then not to be used.
    """
    if path.suffix == ".keras":
        if not zipfile.is_zipfile(path):
            raise WeightsError(f"{path} is no whole .keras archive; download or copy it again")
        return _load_keras_3(network, path, name)
    try:
        with h5py.File(path, "r") as file:
            group = file.get("model_weights", file)
            layers = _saved_layers(group)
            if layers:
                return _load_legacy(network, layers, path, name, top_layers)
            is_keras_3 = "layers" in file
    except OSError as error:
        raise WeightsError(
            f"{path} is no whole HDF5 file ({_one_line(error)}); download or copy it again"
        ) from error
    if not is_keras_3:
        raise WeightsError(f"{path} holds no weights of a Keras model; give a file that Keras saved")
    if not path.name.endswith(".weights.h5"):
        raise WeightsError(f"{path} has the layout of Keras 3; rename it to end in .weights.h5")
    return _load_keras_3(network, path, name)


def _load_legacy(network: Any, saved: list[_Layer], path: Path, name: str, top_layers: int) -> None:
    """By position, as Keras itself does: names in files of older versions differ, the order does not."""
    layers = [layer for layer in network.layers if layer.weights]
    if len(saved) - len(layers) not in {0, top_layers}:
        raise WeightsError(
            f"{path} does not fit {name}: it has {len(saved)} layers with weights, "
            f"{len(layers)} are wanted, or {len(layers) + top_layers} with the top"
        )
    pairs = list(zip(layers, saved, strict=False))  # what is left over is the top
    for layer, stored in pairs:
        _check_shapes(layer, stored, path, name)
    for layer, stored in pairs:
        for weight, values in zip(_in_file_order(layer), stored.weights, strict=True):
            weight.assign(np.asarray(values))
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()  # Normalization computes with what this derives from its weights


def _check_shapes(layer: Any, stored: _Layer, path: Path, name: str) -> None:
    wanted = [tuple(weight.shape) for weight in _in_file_order(layer)]
    found = [tuple(values.shape) for values in stored.weights]
    if wanted != found:
        raise WeightsError(
            f"{path} does not fit {name}: its layer {stored.name} has weights of shape {found}, "
            f"{layer.name} of {name} wants {wanted}; give weights of the same architecture and width"
        )


def _in_file_order(layer: Any) -> list[Any]:
    return [*layer.trainable_weights, *layer.non_trainable_weights]


def _saved_layers(group: h5py.Group) -> list[_Layer]:
    """The layers with weights of a legacy file, none if it has another layout; OSError if damaged."""
    layers = []
    for name in _names(group, "layer_names"):
        weights = [group[name].get(weight) for weight in _names(group.get(name), "weight_names")]
        if any(not isinstance(values, h5py.Dataset) for values in weights):
            raise OSError(f"layer {name} lacks weights that it lists")
        if weights:
            layers.append(_Layer(name=name, weights=weights))
    return layers


def _names(group: Any, key: str) -> list[str]:
    """A list of names kept as an attribute, in pieces key0, key1 ... where it was too long for one."""
    if not isinstance(group, h5py.Group):
        raise OSError(f"it lists {key} of a group that is not there")
    pieces = [key] if key in group.attrs else _numbered(group, key)
    names = [name for piece in pieces for name in group.attrs[piece]]
    return [name.decode() if isinstance(name, bytes) else str(name) for name in names]


def _numbered(group: h5py.Group, key: str) -> list[str]:
    count = 0
    while f"{key}{count}" in group.attrs:
        count += 1
    return [f"{key}{index}" for index in range(count)]


def _load_keras_3(network: Any, path: Path, name: str) -> None:
    """Let Keras read its own format, then make sure that nothing was left out."""
    floats = [weight for weight in network.weights if "float" in str(weight.dtype)]
    for weight in floats:
        weight.assign(np.full(weight.shape, np.nan, np.float32))
    try:
        with warnings.catch_warnings():
            # Keras only warns of layers that it skips, also where it skips them rightly.
            warnings.filterwarnings("ignore", message="Skipping nested container")
            network.load_weights(str(path))
    except Exception as error:
        # Keras raises ValueError, KeyError, OSError ... depending on what does not fit.
        raise WeightsError(f"{path} does not fit {name}: {_one_line(error)}") from error
    if unset := sum(bool(np.isnan(weight.numpy()).any()) for weight in floats):
        raise WeightsError(f"{path} does not fit {name}: {unset} weights are missing or not numbers")


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 300 else f"{text[:300]} ..."
