"""A backbone, and images that are hard on it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit.images import read_image, squash
from stackkit.testing.subject import Subject, probe

TOLERANCE = 1e-4
"""Of the features' standard deviation; other batches may add up in another order."""


@dataclass(frozen=True, kw_only=True)
class BackboneSubject(Subject):
    """A backbone and six images or more of its size."""

    @cached_property
    def pixels(self) -> NDArray[np.uint8]:
        """(n, size, size, 3): noise, black, white, two ramps, noise, then the author's images."""
        size = self.made.image_size
        pixels = np.random.default_rng(7).integers(0, 256, (6, size, size, 3)).astype(np.uint8)
        pixels[1], pixels[2] = 0, 255
        ramp = np.linspace(0, 255, size).astype(np.uint8)
        pixels[3], pixels[4] = ramp[:, None, None], ramp[None, :, None]
        own = [squash(read_image(path), size) for path in self.images]
        return np.concatenate([pixels, np.stack(own)]) if own else pixels

    def extract(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features of the first object, of a copy that it may do with what it likes."""
        features: NDArray[np.float32] = self.made.extract(pixels.copy())
        return features

    @cached_property
    def features(self) -> NDArray[np.float32]:
        """Features of all images by the first object."""
        return self.extract(self.pixels)

    @cached_property
    def is_steady(self) -> bool:
        """Whether one object gives the same features again; if not, no comparison means anything."""
        return differs(self.extract(self.pixels), self.features) is None

    @cached_property
    def gap_to_another(self) -> str | None:
        """By how much the features of another object differ, or None."""
        return differs(self.create().extract(self.pixels.copy()), self.features)

    @cached_property
    def elsewhere(self) -> tuple[str, NDArray[np.float32]]:
        """The revision and the features of the same images in a new process."""
        with TemporaryDirectory(prefix="stackkit-probe-") as temporary:
            folder = Path(temporary)
            np.save(folder / "images.npy", self.pixels)
            request = {"ask": "backbone", "name": self.name, "options": dict(self.choice().options)}
            answer = probe(self.target, request, folder)
            return answer["revision"], np.load(folder / "features.npy")


def differs(found: NDArray[Any], wanted: NDArray[Any]) -> str | None:
    """By how much features differ beyond the tolerance, or None."""
    if found.shape != wanted.shape:
        return f"shapes {found.shape} and {wanted.shape}"
    finite = np.isfinite(wanted)  # a matter of finite-features
    if not np.array_equal(np.isfinite(found), finite):
        return "other features are finite"
    found, wanted = found[finite].astype(np.float64), wanted[finite].astype(np.float64)
    scale = float(wanted.std()) if wanted.size else 0.0
    gap = float(np.abs(found - wanted).max(initial=0)) / (scale or 1.0)
    return None if gap <= TOLERANCE else f"{gap:.2g} standard deviations, {TOLERANCE:g} allowed"
