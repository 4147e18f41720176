"""Know again the images that a model was fitted on, so that an update counts none of them twice."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stackkit.api.state import State

MOST = 10_000_000
"""Maximum number of images that a model remembers: 80 MB. With more it remembers none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingImages:
    """Digests of the fingerprints of images.

    Parameters
    ----------
    digests : ndarray of shape (n,), uint64
        In ascending order, each once. With ten million of them, one new image in two trillion is taken
        for a known one.

    """

    digests: NDArray[np.uint64] = field(default_factory=lambda: np.empty(0, np.uint64))

    @classmethod
    def of(cls, fingerprints: Sequence[str]) -> TrainingImages | None:
        """Return the images with these fingerprints; None if there are more than `MOST`."""
        return cls().with_images(fingerprints)

    def __len__(self) -> int:
        return len(self.digests)

    def known(self, fingerprints: Sequence[str]) -> NDArray[np.bool_]:
        """Return whether the model was fitted on each image, (n,)."""
        return np.isin(_digests(fingerprints), self.digests)

    def with_images(self, fingerprints: Sequence[str]) -> TrainingImages | None:
        """Return these images and further ones; None if there are more than `MOST`."""
        found = np.union1d(self.digests, _digests(fingerprints))
        return TrainingImages(digests=found) if len(found) <= MOST else None

    def state(self) -> State:
        """Return what `from_state` takes."""
        return State(arrays={"digests": self.digests})

    @classmethod
    def from_state(cls, state: State) -> TrainingImages:
        """Return the images of a state; raises ValueError for an invalid one."""
        digests = state.arrays.get("digests")
        if digests is None or digests.ndim != 1 or digests.dtype != np.uint64 or len(digests) > MOST:
            raise ValueError(f"digests must be at most {MOST:,} unsigned integers of 64 bits")
        if (digests[1:] <= digests[:-1]).any():
            raise ValueError("digests must be in ascending order, each once")
        return cls(digests=digests)


def _digests(fingerprints: Sequence[str]) -> NDArray[np.uint64]:
    """Return 64 bits of the BLAKE2b of each fingerprint, (n,), little-endian on every machine."""
    each = (hashlib.blake2b(text.encode(), digest_size=8).digest() for text in fingerprints)
    return np.frombuffer(b"".join(each), dtype="<u8").astype(np.uint64)
