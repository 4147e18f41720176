"""Compare perceptual hashes of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stackkit.audit.measures import Measures

BITS = 64
"""Length of a hash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hashes:
    """Perceptual hashes of n images.

    Parameters
    ----------
    known : ndarray of shape (n,), bool
        Whether the image has hashes.
    plain, mirrored : ndarray of shape (n, 8), uint8
        Hashes of the image and of its mirror image.

    """

    known: NDArray[np.bool_]
    plain: NDArray[np.uint8]
    mirrored: NDArray[np.uint8]

    @classmethod
    def of(cls, measured: Sequence[Measures | None]) -> Hashes:
        """Take the hashes from measures; None has none."""
        return cls(
            known=np.array([bool(each and each.phash) for each in measured]),
            plain=_bytes([each.phash if each else "" for each in measured]),
            mirrored=_bytes([each.mirrored if each else "" for each in measured]),
        )

    def differing(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the bits in which pairs of images differ, one of them mirrored if that is fewer.

        Parameters
        ----------
        first, second : ndarray of shape (n_pairs,), int64
            Positions of the images.

        Returns
        -------
        ndarray of shape (n_pairs,), int64
            From 0 to 64; 64 if a hash is unknown.

        """
        straight = _count(self.plain[first] ^ self.plain[second])
        turned = _count(self.plain[first] ^ self.mirrored[second])
        known = self.known[first] & self.known[second]
        return np.where(known, np.minimum(straight, turned), BITS)


def _bytes(hashes: Sequence[str]) -> NDArray[np.uint8]:
    joined = b"".join(bytes.fromhex(each.zfill(BITS // 4)) for each in hashes)
    return np.frombuffer(joined, dtype=np.uint8).reshape(-1, BITS // 8)


def _count(bits: NDArray[np.uint8]) -> NDArray[np.int64]:
    counted: NDArray[np.int64] = np.unpackbits(bits, axis=1).sum(axis=1, dtype=np.int64)
    return counted
