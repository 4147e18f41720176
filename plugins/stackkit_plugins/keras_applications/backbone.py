"""Create backbones of all models of keras.applications.

The factories `VGG19`, `ResNet50` and so on are attributes of this module, one for each model,
named like its function in keras.applications. Importing this module does not import a framework.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import URLError

from stackkit.api import WeightsError, user_path
from stackkit_plugins.keras_applications.keras_files import models_folder
from stackkit_plugins.keras_applications.layers import layer_channels
from stackkit_plugins.keras_applications.models import MODELS, Model
from stackkit_plugins.shared.keras_network import (
    FileWeights,
    KerasBackbone,
    NetworkDefinition,
    Pooling,
    RandomWeights,
    checked_settings,
    missing_file,
    named_file,
)

PREPROCESSING = 1
"""Part of every revision. Increase it when the computation from pixels to features changes."""


@dataclass(frozen=True, kw_only=True)
class Factory:
    """Create backbones of one model."""

    model: Model

    def __call__(
        self,
        *,
        weights: str,
        size: int,
        pooling: str,
        seed: int,
        layer: str | None = None,
        alpha: float = 1.0,
        weights_file: Path | None = None,
        **settings: Any,
    ) -> KerasBackbone:
        """Create a backbone; the network is built, and weights downloaded, when first needed.

        Parameters
        ----------
        weights : str
            "imagenet", "random", or the path of a weights file with or without the classifier. The
            same weights give the same features by name and from a file.
        size, seed : int
            Side of the images in pixels, and seed of random weights.
        pooling, layer : str or None
            Global pooling, see `Pooling`, of this layer's feature map; None for the last layer.
        alpha : float
            Width multiplier; 1.0 for models without this option.
        weights_file : Path or None
            Where to read the weights, instead of where `weights` says.
        **settings
            Fields of `RunSettings`.

        Raises
        ------
        UsageError
            If settings contradict each other.
        PluginError or WeightsError
            If the engine's package or the weights file is missing.

        """
        model = self.model
        channels = layer_channels(model, layer, alpha) if layer else model.width(alpha)
        source, load = self._source(weights, size, alpha, seed, weights_file)
        definition = NetworkDefinition(
            name=model.name,
            network=_network(model, alpha, weights),
            preprocessing=PREPROCESSING,
            image_size=size,
            poolings=(Pooling(kind=pooling, layer=layer, channels=channels),),
            weights=source,
            build_model=partial(load, model, _arguments(model, size, alpha)),
            preprocess=partial(_preprocess, model),
            settings=checked_settings(model.name, **settings),
        )
        return KerasBackbone(definition)

    def _source(
        self, weights: str, size: int, alpha: float, seed: int, file: Path | None
    ) -> tuple[FileWeights | RandomWeights, Callable[..., Any]]:
        """Return where weights come from, and the function that builds the network with them."""
        model = self.model
        if weights == "random":
            return RandomWeights(seed=seed), _new_model
        name = f"{model.name} with alpha={alpha}" if model.alphas else model.name
        if weights == "imagenet" and file is None:
            source = FileWeights(path=models_folder() / model.weights_file(size=size, alpha=alpha))
            return source, partial(_pretrained, name=name, path=source.path)
        source = named_file(weights, file)
        return source, partial(_from_file, name=name, path=source.path)

    def unavailable_reason(
        self, *, weights: str, size: int, alpha: float = 1.0, **others: Any
    ) -> str | None:
        """Return what must be downloaded or provided before this backbone can run, or None."""
        del others
        if weights == "random":
            return None
        if weights != "imagenet":
            return missing_file(user_path(weights))
        path = models_folder() / self.model.weights_file(size=size, alpha=alpha)
        if path.is_file():
            return None
        download = f"about {self.model.megabytes(alpha):,g} MB"
        return f"{path.name} not found in {path.parent}; Keras downloads it on first use ({download})"


_FACTORIES = {model.function: Factory(model=model) for model in MODELS}


def __getattr__(name: str) -> Factory:
    try:
        return _FACTORIES[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None


def _network(model: Model, alpha: float, weights: str) -> str:
    parts = [model.function, *([f"alpha={alpha}"] if model.alphas else [])]
    if model.scales_imagenet and weights not in {"imagenet", "random"}:
        parts.append("scaling=of-file")  # earlier versions built the network without that scaling
    return ";".join(parts)


def _arguments(model: Model, size: int, alpha: float) -> dict[str, Any]:
    arguments = {"include_top": False, "input_shape": (size, size, 3), "pooling": "avg"}
    return arguments | ({"alpha": alpha} if model.alphas else {})


def _preprocess(model: Model, images: Any) -> Any:
    import keras

    module = getattr(keras.applications, model.module)
    return module.preprocess_input(images, data_format="channels_last")


def _new_model(model: Model, arguments: dict[str, Any], weights: str | None = None) -> Any:
    """Return the Keras model without its classifier."""
    import keras

    with warnings.catch_warnings():
        # The MobileNets warn that other sizes use the weights for 224. The option's help says so.
        warnings.filterwarnings("ignore", message="`input_shape` is undefined")
        return getattr(keras.applications, model.function)(weights=weights, **arguments)


def _from_file(model: Model, arguments: dict[str, Any], *, name: str, path: Path) -> Any:
    from stackkit_plugins.keras_applications.input_scaling import scaled_for
    from stackkit_plugins.keras_applications.weights_file import load_weights

    network = _new_model(model, arguments)
    if model.scales_imagenet:
        network = scaled_for(network, path)
    load_weights(network, path, name=name, top_layers=model.top_layers)
    return network


def _pretrained(model: Model, arguments: dict[str, Any], *, name: str, path: Path) -> Any:
    """Return the Keras model with ImageNet weights, which Keras downloads and checks if necessary."""
    was_there = path.is_file()
    try:
        with redirect_stdout(sys.stderr):  # Keras prints its download progress; stdout may be JSON
            return _new_model(model, arguments, weights="imagenet")
    except Exception as error:
        # Keras passes on all kinds of errors from urllib, h5py and its own code.
        raise WeightsError(_no_pretrained(name, path, was_there, error)) from error


def _no_pretrained(name: str, path: Path, was_there: bool, error: Exception) -> str:
    reason = _reason(error)
    if path.is_file():
        return f"{path} cannot be loaded into {name} ({reason}); delete it, and Keras downloads it again"
    # Keras deletes a file with a wrong checksum before it downloads it again.
    where = f"the file in {path.parent} was damaged" if was_there else f"not found in {path.parent}"
    return (
        f"{name} needs {path.name}: {where} (set KERAS_HOME to use another folder), and the download "
        f"failed ({reason}); put the file there, or pass weights=PATH, or weights=random for a test run"
    )


def _reason(error: Exception) -> str:
    # Keras wraps a failed download in a long text; urllib's own reason is shorter and more precise.
    download = isinstance(error.__context__, URLError)
    return " ".join(str(error.__context__ if download else error).split()).strip("<>")
