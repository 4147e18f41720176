"""The backbone: a frozen network of timm, built when it is first asked anything.

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
"""Part of every revision; to be raised when the way from pixels to features changes."""


class Timm:
    """timm's network `name` without its classifier, on images as its own data config wants them.

    Size, width and revision are the network's own, so that asking for one of them builds it.
    """

    def __init__(self, *, name: str, weights: str, device: str, batch_size: int, seed: int) -> None:
        if not name:
            raise UsageError("timm: name= is wanted, such as timm:name=resnet18")
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
        """As timm's data config says."""
        return self._network.size

    @property
    def feature_dim(self) -> int:
        """As the network has it."""
        return self._network.width

    @property
    def revision(self) -> str:
        """Architecture, preprocessing and the weights' content as one line of text."""
        return f"{VERSION};{self.name};{self._network.identity()}"

    def extract(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, size, size, 3) uint8 RGB -> (n, feature_dim) float32."""
        return self._network.features(images, self.batch_size)

    @cached_property
    def _network(self) -> Network:
        from stackkit_timm.network import build

        return build(self.name, weights=self.weights, device=self.device, seed=self.seed)
