"""Give EfficientNet the scaling of its input that its ImageNet weights need.

`keras.applications` adds it for ``weights="imagenet"`` alone, so the same weights from a file would give
other features.
"""

from __future__ import annotations

import json
import math
import re
import zipfile
from pathlib import Path
from typing import Any

import h5py

_DEVIATIONS = (0.229, 0.224, 0.225)
"""Standard deviations of ImageNet's RGB channels, `IMAGENET_STDDEV_RGB` in Keras' source (3.15)."""

_RESCALING = re.compile(r"rescaling(_\d+)?")


def scaled_for(network: Any, path: Path) -> Any:
    """Return an EfficientNet with the scaling that the weights in a file were trained with.

    Parameters
    ----------
    network : keras.Model
        As Keras builds it with ``weights=None``.
    path : Path
        A weights file. If it describes the layers of its network, as whole models and the files of
        Keras 3 do, it decides. Weights alone are taken for those of ImageNet.

    Returns
    -------
    keras.Model
        A new network, with the layers that Keras builds with ``weights="imagenet"``; or `network`.

    """
    import keras

    layers = [layer for layer in network.layers if isinstance(layer, keras.layers.Rescaling)]
    # More than one: a version of Keras that always adds the scaling.
    if len(layers) != 1 or _saved_rescalings(path) == 1:
        return network

    def call(layer: Any, *inputs: Any, **keywords: Any) -> Any:
        output = layer(*inputs, **keywords)
        if isinstance(layer, keras.layers.Normalization):
            # The weights expect (x - mean) / variance, where the layer divides by its square root.
            return keras.layers.Rescaling([1 / math.sqrt(each) for each in _DEVIATIONS])(output)
        return output

    return keras.models.clone_model(network, call_function=call)


def _saved_rescalings(path: Path) -> int | None:
    """Count the layers of type Rescaling that a file lists; None if it does not list layers."""
    try:
        if path.suffix == ".keras":
            with zipfile.ZipFile(path) as archive:
                return _in_configuration(archive.read("config.json"))
        with h5py.File(path, "r") as file:
            if "layers" in file:  # the weights of Keras 3: a group for each layer, also without weights
                return sum(_RESCALING.fullmatch(name) is not None for name in file["layers"])
            return _in_configuration(file.attrs["model_config"])
    except (OSError, KeyError, TypeError, ValueError, zipfile.BadZipFile):
        return None  # weights alone, or a damaged file, which `load_weights` reports


def _in_configuration(text: str | bytes) -> int:
    layers = json.loads(text)["config"]["layers"]
    return sum(layer["class_name"] == "Rescaling" for layer in layers)
