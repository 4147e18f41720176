"""A network of timm as a `FrozenNetwork`: built only when an engine needs it.

Importing this module imports no framework.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from stackkit.api import UsageError
from stackkit_plugins.shared.keras_network import FileWeights
from stackkit_plugins.shared.keras_network.engine_cache import EngineCache
from stackkit_plugins.timm import facts
from stackkit_plugins.timm.weights import FromFile, FromHub, Network, RandomWeights, Weights

if TYPE_CHECKING:
    from stackkit_plugins.shared.keras_network.engines import Loaded
    from stackkit_plugins.timm.facts import Facts
    from stackkit_plugins.timm.network import Built

VERSION = 1
"""Part of every revision. Increase it when the computation from pixels to features changes."""

_GPU_DRIVERS = (Path("/dev/nvidiactl"), Path("/dev/kfd"))
"""Without one of them torch finds no GPU on Linux, and need not be imported to be asked."""


class FrozenTimm:
    """A network of timm without its classifier, with the preprocessing of its own configuration.

    Parameters
    ----------
    name : str
        Name of the backbone.
    label : str
        Name for messages.
    network : Network
    weights : RandomWeights, FromHub or FromFile
    requested_device : {"auto", "cpu", "gpu"}
    precision : {"float32", "mixed"}

    """

    reference = "torch"

    def __init__(
        self,
        *,
        name: str,
        label: str,
        network: Network,
        weights: Weights,
        requested_device: str,
        precision: str = "float32",
    ) -> None:
        self.name = name
        self.label = label
        self._network = network
        self._weights = weights
        self._requested_device = requested_device
        self.precision = precision

    @property
    def image_size(self) -> int:
        """Side of the images in pixels."""
        return self._facts.size

    @property
    def feature_dim(self) -> int:
        """Number of features per image."""
        return self._facts.width

    @property
    def trained(self) -> bool:
        """False for random weights."""
        return self._weights.trained

    @property
    def revision(self) -> str:
        """Network, version of timm, preprocessing and weights as one line; raises WeightsError."""
        known = self._facts
        mean, std = (",".join(f"{value:.6g}" for value in each) for each in (known.mean, known.std))
        return (
            f"{VERSION};{known.model};timm-{version('timm')};tokens={self._network.tokens};"
            f"size={known.size};mean={mean};std={std};weights={self._identity()}"
            + ("" if self.precision == "float32" else f";precision={self.precision}")
        )

    @property
    def faster(self) -> tuple[str, ...]:
        """OpenVINO on a CPU; a GPU is torch's."""
        return ("openvino",) if self.device == "cpu" else ()

    @cached_property
    def device(self) -> str:
        """Where torch computes: "cpu" or "gpu"; raises UsageError if there is no GPU as requested."""
        found = self._device_found()
        if found == "cpu" and self.precision == "mixed":
            raise UsageError(
                f"{self.name}: precision=mixed requires a GPU, but torch sees none; use "
                "precision=float32"
            )
        return found

    def _device_found(self) -> str:
        requested = self._requested_device
        may_be = requested == "gpu" or any(path.exists() for path in _GPU_DRIVERS)
        if requested == "cpu" or not may_be:
            return "cpu"
        import torch

        if torch.cuda.is_available():
            return "gpu"
        if requested == "gpu":
            raise UsageError(f"{self.name}: device=gpu, but torch sees no GPU; use device=cpu")
        return "cpu"

    def load(self, engine: str, threads: int) -> Loaded:
        """Load the network into torch or OpenVINO; see `FrozenNetwork.load`."""
        if engine == "openvino":
            from stackkit_plugins.timm.conversion import load_converted

            return load_converted(
                self._cache, lambda: self._built, size=self.image_size, threads=threads
            )
        from stackkit_plugins.timm.on_torch import OnTorch

        built = self._built
        # Hand the network over: as a reference it is needed for one comparison only, and would hold its
        # memory for the whole run.
        del self._built
        return OnTorch(
            built.module,
            on_gpu=self.device == "gpu",
            threads=threads,
            mixed=self.precision == "mixed",
        )

    @property
    def _cache(self) -> EngineCache:
        return EngineCache(self.name, self.revision, packages=("timm", "torch"))

    @cached_property
    def _facts(self) -> Facts:
        if known := facts.recall(self._network, self._weights):
            return known
        found = self._found()
        facts.remember(self._network, self._weights, found)
        return found

    def _found(self) -> Facts:
        if not isinstance(self._weights, FromHub):
            return self._built.facts
        from stackkit_plugins.timm.network import measure

        return measure(self.name, self._network)  # size and width are asked before any download

    @cached_property
    def _path(self) -> Path | None:
        """The weights file, downloaded if necessary; None for random weights."""
        if isinstance(self._weights, RandomWeights):
            return None
        if isinstance(self._weights, FromFile):
            return self._weights.path
        known = self._facts
        if known.file:
            return Path(known.file)
        from stackkit_plugins.timm.network import locate

        path = locate(self.name, self._network.model).absolute()
        facts.remember(self._network, self._weights, replace(known, file=str(path)))
        return path

    @property
    def weights_file(self) -> Path | None:
        """The file with the weights, downloaded if necessary; None for random weights."""
        return self._path

    @cached_property
    def _built(self) -> Built:
        from stackkit_plugins.timm.network import build

        built = build(self.name, self._network, self._weights, self._path)
        if file := self._file_weights:
            # A file that is replaced before this point is noticed, one that is replaced afterwards no
            # longer matters.
            file.recheck()
        return built

    def _identity(self) -> str:
        if isinstance(self._weights, RandomWeights):
            return self._weights.identity()
        assert self._file_weights is not None
        return self._file_weights.identity()

    @cached_property
    def _file_weights(self) -> FileWeights | None:
        """The file with the digest that was read first; None for random weights."""
        return FileWeights(path=self._path) if self._path else None
