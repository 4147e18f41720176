"""What `NetworkBackbone` must know of a network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from stackkit_plugins.shared.keras_network.engines import Loaded

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class FrozenNetwork(Protocol):
    """A frozen network that at least one engine can run.

    Names of engines are names of their distributions.
    """

    @property
    def name(self) -> str:
        """Name of the backbone."""

    @property
    def label(self) -> str:
        """The name, with the option that tells it from others of this name, for messages."""

    @property
    def image_size(self) -> int:
        """Side of the images in pixels."""

    @property
    def feature_dim(self) -> int:
        """Number of features per image."""

    @property
    def revision(self) -> str:
        """Everything that features depend on, as one line; engines are not part of it."""

    @property
    def trained(self) -> bool:
        """False for random weights."""

    @property
    def weights_file(self) -> Path | None:
        """The file with the weights, downloaded if necessary; None for random weights."""

    @property
    def reference(self) -> str:
        """The engine that the network was made for; others must have its features."""

    @property
    def faster(self) -> tuple[str, ...]:
        """Other engines that may run this network on this device, the fastest first."""

    @property
    def device(self) -> str:
        """Where it computes: "cpu" or "gpu"."""

    @property
    def precision(self) -> str:
        """In what it computes: "float32", or "mixed", which is part of the revision."""

    def load(self, engine: str, threads: int) -> Loaded:
        """Load the network into an engine; 0 threads means all cores.

        The result takes (n, size, size, 3) RGB from 0 to 255 and returns (n, feature_dim), both float32.
        """


@runtime_checkable
class Comparable(Protocol):
    """A loaded network of which other rows than its features are compared. Optional."""

    def compared(self, images: NDArray[np.float32], /) -> list[NDArray[np.float32]]:
        """Return rows to compare with those of another engine; each array is compared alone."""
