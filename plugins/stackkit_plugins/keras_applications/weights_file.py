"""Load a weights file into a network, and raise an error unless every weight was set.

Files with and without the classifier ("top") are accepted, in Keras' legacy HDF5 layout (`.h5`,
used by all of Keras' own ImageNet weights) and in that of Keras 3 (`.weights.h5`, `.keras`).
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
    """A layer with weights in a file; arrays are read from disk when they are used."""

    name: str
    weights: Sequence[h5py.Dataset]


def load_weights(network: Any, path: Path, *, name: str, top_layers: int) -> None:
    """Set all weights of a Keras network from a file of the same architecture.

    Parameters
    ----------
    network : keras.Model
        After an error it must not be used.
    path : Path
        Its ending decides about the layout: .keras, .weights.h5, or any other for legacy HDF5.
    name : str
        Name of the network in messages.
    top_layers : int
        Number of further layers with weights, those of the classifier, that the file may have.

    Raises
    ------
    WeightsError
        If the file is damaged, or has another architecture or width.

    """
    # Keras itself chooses the reader by the file's ending, so that is what counts here too.
    if path.suffix == ".keras":
        if not zipfile.is_zipfile(path):
            raise WeightsError(f"{path} is not a complete .keras archive; download or copy it again")
        return _load_keras_3(network, path, name)
    try:
        with h5py.File(path, "r") as file:
            # `save` puts weights in a group beside the configuration, `save_weights` at the top.
            group = file.get("model_weights", file)
            layers = _saved_layers(group)
            if layers:
                return _load_legacy(network, layers, path, name, top_layers)
            is_keras_3 = "layers" in file
    except OSError as error:
        raise WeightsError(
            f"{path} is not a complete HDF5 file ({_one_line(error)}); download or copy it again"
        ) from error
    if not is_keras_3:
        raise WeightsError(f"{path} has no weights of a Keras model; pass a file that Keras saved")
    if not path.name.endswith(".weights.h5"):
        raise WeightsError(f"{path} has the layout of Keras 3; rename it to end in .weights.h5")
    return _load_keras_3(network, path, name)


def _load_legacy(network: Any, saved: list[_Layer], path: Path, name: str, top_layers: int) -> None:
    """Assign weights to layers by position, as Keras does.

    Layer names differ between versions of Keras; their order does not.
    """
    layers = [layer for layer in network.layers if layer.weights]
    # By number first: a prefix of another, deeper network could have the same shapes.
    if len(saved) - len(layers) not in {0, top_layers}:
        raise WeightsError(
            f"{path} does not fit {name}: it has {len(saved)} layers with weights, "
            f"expected {len(layers)}, or {len(layers) + top_layers} with the classifier"
        )
    pairs = list(zip(layers, saved, strict=False))  # the classifier's layers come last and are dropped
    # Check all shapes first: the error then names the file and the layer, which Keras' own does not.
    for layer, stored in pairs:
        _check_shapes(layer, stored, path, name)
    for layer, stored in pairs:
        for weight, values in zip(_in_file_order(layer), stored.weights, strict=True):
            weight.assign(np.asarray(values))
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()  # Normalization computes from values that this derives from weights


def _check_shapes(layer: Any, stored: _Layer, path: Path, name: str) -> None:
    expected = [tuple(weight.shape) for weight in _in_file_order(layer)]
    found = [tuple(values.shape) for values in stored.weights]
    if expected != found:
        raise WeightsError(
            f"{path} does not fit {name}: its layer {stored.name} has weights of shape {found}, "
            f"expected {expected} for layer {layer.name}; use weights of the same architecture"
        )


def _in_file_order(layer: Any) -> list[Any]:
    # The order of Keras' legacy format, which can differ from that of `layer.weights`.
    return [*layer.trainable_weights, *layer.non_trainable_weights]


def _saved_layers(group: h5py.Group) -> list[_Layer]:
    """Return the layers with weights of a legacy file; none if it has another layout.

    Raises OSError if the file is damaged.
    """
    layers = []
    for name in _names(group, "layer_names"):
        weights = [group[name].get(weight) for weight in _names(group.get(name), "weight_names")]
        # A truncated file may still open and list weights that are gone.
        if any(not isinstance(values, h5py.Dataset) for values in weights):
            raise OSError(f"layer {name} lists weights that are missing")
        if weights:
            layers.append(_Layer(name=name, weights=weights))
    return layers


def _names(group: Any, key: str) -> list[str]:
    """Return a list of names from an attribute.

    HDF5 limits an attribute to 64 kB, so Keras splits a long list into KEY0, KEY1 and so on.
    """
    if not isinstance(group, h5py.Group):
        raise OSError(f"it has no group for {key}")
    pieces = [key] if key in group.attrs else _numbered(group, key)
    names = [name for piece in pieces for name in group.attrs[piece]]
    return [name.decode() if isinstance(name, bytes) else str(name) for name in names]


def _numbered(group: h5py.Group, key: str) -> list[str]:
    count = 0
    while f"{key}{count}" in group.attrs:
        count += 1
    return [f"{key}{index}" for index in range(count)]


def _load_keras_3(network: Any, path: Path, name: str) -> None:
    """Let Keras read its own format, and check that it set every weight.

    Keras only warns about layers that it skips. All float weights are therefore set to NaN first; a
    weight that is still NaN afterwards was not in the file.
    """
    floats = [weight for weight in network.weights if "float" in str(weight.dtype)]
    for weight in floats:
        weight.assign(np.full(weight.shape, np.nan, np.float32))
    try:
        with warnings.catch_warnings():
            # It also warns about layers that it rightly skips, such as the classifier.
            warnings.filterwarnings("ignore", message="Skipping nested container")
            network.load_weights(str(path))
    except Exception as error:
        # Keras raises ValueError, KeyError, OSError and others, depending on what does not fit.
        raise WeightsError(f"{path} does not fit {name}: {_one_line(error)}") from error
    if unset := sum(bool(np.isnan(weight.numpy()).any()) for weight in floats):
        raise WeightsError(f"{path} does not fit {name}: {unset} weights are missing or not numbers")


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= 300 else f"{text[:300]} ..."
