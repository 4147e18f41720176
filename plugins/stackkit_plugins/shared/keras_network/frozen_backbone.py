"""What backbones share whose network runs on one of several engines."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from stackkit.api import ExtractionError
from stackkit_plugins.shared.keras_network.out_of_memory import is_out_of_memory

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def ignore(message: str) -> None:
    """Drop a message."""


class Described(Protocol):
    """What must be known of a network before it is built."""

    @property
    def label(self) -> str:
        """Name for messages."""

    @property
    def image_size(self) -> int:
        """Side of the images in pixels."""

    @property
    def feature_dim(self) -> int:
        """Number of features per image."""

    @property
    def trained(self) -> bool:
        """False for random weights."""


class FrozenBackbone:
    """A backbone that computes batch by batch, in smaller batches once memory has run out.

    Parameters
    ----------
    network : Described
        The network.
    batch_size : int
        Images per pass.

    """

    smaller = "use a smaller size, or fewer backbones at a time"
    """What helps if memory does not suffice for one image."""

    def __init__(self, network: Described, batch_size: int) -> None:
        self._described = network
        self._batch_size = batch_size
        self._images: int | None = None
        self._report: Callable[[str], None] = ignore

    @property
    def name(self) -> str:
        """Name for messages."""
        return self._described.label

    @property
    def image_size(self) -> int:
        """Side in pixels of the square images that `extract` accepts."""
        return self._described.image_size

    @property
    def feature_dim(self) -> int:
        """Number of features per image."""
        return self._described.feature_dim

    @property
    def trained(self) -> bool:
        """False for random weights."""
        return self._described.trained

    def expect(self, images: int) -> None:
        """Take note of how many images will be computed."""
        self._images = images

    def _in_batches(
        self, images: NDArray[np.uint8], compute: Callable[[NDArray[np.uint8]], NDArray[np.float32]]
    ) -> NDArray[np.float32]:
        """Return the features of images, computed for a batch at a time."""
        import numpy as np

        features = np.empty((len(images), self.feature_dim), np.float32)
        start = 0  # a loop over positions, as the batch size may shrink on the way
        while start < len(images):
            rows = slice(start, start + self._batch_size)
            try:
                features[rows] = compute(images[rows])
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                self._halve_batch(error)
                continue
            start = rows.stop
        return features

    def _halve_batch(self, error: Exception) -> None:
        if self._batch_size == 1:
            raise ExtractionError(
                f"{self.name}: not enough memory for a single image of {self.image_size} pixels; "
                f"{self.smaller}"
            ) from error
        self._batch_size //= 2
        self._report(f"{self.name}: out of memory; continuing with {self._batch_size} images per pass")
