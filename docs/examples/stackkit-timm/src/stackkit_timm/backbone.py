"""The backbone: a frozen network of timm that is built on first use.

Importing this module imports no framework.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from stackkit.api import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from stackkit_timm.network import Network

VERSION = 1
"""Part of every revision; increase it when the computation from pixels to features changes."""


class Timm:
    """The network `name` of timm without its classifier, with the preprocessing of its data config.

    Image size, feature dimension and revision come from the network, so reading one of them builds it.
    """

    def __init__(self, *, name: str, weights: str, device: str, batch_size: int, seed: int) -> None:
        if not name:
            raise UsageError("timm: name= is required, for example timm:name=resnet18")
        self.name = name
        self.weights = weights
        self.device = device
        self.batch_size = batch_size
        self.seed = seed

    @property
    def trained(self) -> bool:
        """False for random weights."""
        return self.weights != "random"

    @property
    def image_size(self) -> int:
        """Width and height of the input in pixels, from timm's data config."""
        return self._network.size

    @property
    def feature_dim(self) -> int:
        """Number of features."""
        return self._network.width

    @property
    def revision(self) -> str:
        """One line that identifies architecture, preprocessing and weights."""
        return f"{VERSION};{self.name};{self._network.identity()}"

    def extract(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, size, size, 3) uint8 RGB -> (n, feature_dim) float32."""
        return self._network.features(images, self.batch_size)

    @cached_property
    def _network(self) -> Network:
        from stackkit_timm.network import build

        return build(self.name, weights=self.weights, device=self.device, seed=self.seed)
