"""Make a backbone of any model of keras.applications, with the weights that were asked for.

Importing this module imports no framework. `VGG19`, `ResNet50` ... are its factories: one for
each model, under the function's name in keras.applications.
"""

from __future__ import annotations

import sys
import warnings
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal
from urllib.error import URLError

from stackkit.api import WeightsError
from stackkit_plugins.keras_applications.keras_files import models_folder
from stackkit_plugins.keras_applications.models import MODELS, Model
from stackkit_plugins.keras_network import (
    FileWeights,
    KerasBackbone,
    RandomWeights,
    checked_running,
    missing_file,
    weights_file,
)

PREPROCESSING = 1
"""Part of every revision; to be raised when the way from pixels to features changes."""


@dataclass(frozen=True, kw_only=True)
class Factory:
    """Makes backbones of one model."""

    model: Model

    def __call__(
        self,
        *,
        weights: str,
        size: int,
        pooling: Literal["avg", "max"],
        seed: int,
        alpha: float = 1.0,
        **running: Any,
    ) -> KerasBackbone:
        """A backbone; builds and downloads nothing yet.

        `weights` is "imagenet", "random" or the path of a weights file with or without the top;
        `running` are the fields of `Running`. Raises UsageError if they contradict each other,
        WeightsError if the file is missing, PluginError if the engine's package is.
        """
        model = self.model
        width = model.width(alpha)
        name = f"{model.name} with alpha={alpha}" if model.alphas else model.name
        source: FileWeights | RandomWeights
        if weights == "random":
            source, load = RandomWeights(seed=seed), _new
        elif weights == "imagenet":
            source = FileWeights(path=models_folder() / model.weights_file(size=size, alpha=alpha))
            load = partial(_pretrained, name=name, path=source.path)
        else:
            source = weights_file(weights)
            load = partial(_from_file, name=name, path=source.path, top_layers=model.top_layers)
        arguments = _arguments(model, size, pooling, alpha)
        return KerasBackbone(
            name=model.name,
            architecture=_architecture(model, pooling, alpha),
            image_size=size,
            feature_dim=width,
            weights=source,
            build=partial(load, model, arguments),
            preprocess=partial(_preprocess, model),
            running=checked_running(model.name, **running),
        )

    def unavailable_reason(
        self, *, weights: str, size: int, alpha: float = 1.0, **others: Any
    ) -> str | None:
        """What must be downloaded or put in place before this backbone runs, or None."""
        del others
        if weights == "random":
            return None
        if weights != "imagenet":
            return missing_file(Path(weights).expanduser())
        path = models_folder() / self.model.weights_file(size=size, alpha=alpha)
        if path.is_file():
            return None
        room = f"about {self.model.megabytes(alpha):,g} MB"
        return f"{path.name} is not in {path.parent}; Keras downloads it at first use ({room})"


_FACTORIES = {model.function: Factory(model=model) for model in MODELS}


def __getattr__(name: str) -> Factory:
    try:
        return _FACTORIES[name]
    except KeyError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None


def _architecture(model: Model, pooling: str, alpha: float) -> str:
    parts = [model.function, *([f"alpha={alpha}"] if model.alphas else [])]
    return ";".join([*parts, f"pooling={pooling}", f"preprocessing={PREPROCESSING}"])


def _arguments(model: Model, size: int, pooling: str, alpha: float) -> dict[str, Any]:
    arguments = {"include_top": False, "input_shape": (size, size, 3), "pooling": pooling}
    return arguments | ({"alpha": alpha} if model.alphas else {})


def _preprocess(model: Model, images: Any) -> Any:
    import keras

    module = getattr(keras.applications, model.module)
    return module.preprocess_input(images, data_format="channels_last")


def _new(model: Model, arguments: dict[str, Any], weights: str | None = None) -> Any:
    """The Keras model without its top."""
    import keras

    with warnings.catch_warnings():
        # The MobileNets warn that other sizes get the weights of size 224; the option's help says so.
        warnings.filterwarnings("ignore", message="`input_shape` is undefined")
        return getattr(keras.applications, model.function)(weights=weights, **arguments)


def _from_file(
    model: Model, arguments: dict[str, Any], *, name: str, path: Path, top_layers: int
) -> Any:
    from stackkit_plugins.keras_applications.weights_file import load_weights

    network = _new(model, arguments)
    load_weights(network, path, name=name, top_layers=top_layers)
    return network


def _pretrained(model: Model, arguments: dict[str, Any], *, name: str, path: Path) -> Any:
    """The Keras model with ImageNet weights, which Keras downloads and checks if need be."""
    was_there = path.is_file()
    try:
        with redirect_stdout(sys.stderr):  # Keras prints how far its download is
            return _new(model, arguments, weights="imagenet")
    except Exception as error:
        # Keras lets through whatever urllib, h5py and it itself raise.
        raise WeightsError(_no_pretrained(name, path, was_there, error)) from error


def _no_pretrained(name: str, path: Path, was_there: bool, error: Exception) -> str:
    reason = _reason(error)
    if path.is_file():
        return f"{path} cannot be loaded into {name} ({reason}); delete it, and Keras downloads it again"
    # Keras deletes a file that fails its check before it tries to download it again.
    where = f"the one in {path.parent} was damaged" if was_there else f"it is not in {path.parent}"
    return (
        f"{name} needs {path.name}: {where}, where Keras looks (KERAS_HOME moves it), and the download "
        f"failed ({reason}); put the file there, or give weights=PATH, or weights=random for a trial run"
    )


def _reason(error: Exception) -> str:
    # Keras words a failed download around urllib's own reason, which says more in less.
    download = isinstance(error.__context__, URLError)
    return " ".join(str(error.__context__ if download else error).split()).strip("<>")
