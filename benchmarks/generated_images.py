r"""A plugin for benchmarks: a dataset of generated images and a stand-in for a network, both cheap.

    stackkit --plugin benchmarks/generated_images.py extract \
        --dataset generated-images:count=1000 --backbones stand-in

No image is read from a disk and no network computes: what is left is the cost of stackkit itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stackkit.api import BackboneSpec, DatasetSpec, Option, Sample, hookimpl

SIDE, WIDTH, CLASSES = 32, 1280, 100


@hookimpl
def stackkit_datasets() -> list[DatasetSpec]:
    """Return the dataset."""
    count = Option(name="count", default=1000, help="number of images")
    spec = DatasetSpec(
        name="generated-images",
        summary="generated images",
        factory="generated_images:GeneratedImages",
        options=(count,),
    )
    return [spec]


@hookimpl
def stackkit_backbones() -> list[BackboneSpec]:
    """Return the backbone."""
    return [
        BackboneSpec(name="stand-in", summary="a cheap projection", factory="generated_images:StandIn")
    ]


class GeneratedImages:
    """Images of one colour each, which its number determines."""

    notes: Sequence[str] = ()

    def __init__(self, count: int = 1000) -> None:
        self.classes = [f"class {label:03}" for label in range(CLASSES)]
        self.samples = [Sample(id=f"{i:08}.png", label=i % CLASSES) for i in range(count)]

    def image(self, i: int) -> Image.Image:
        """Return image i."""
        return Image.new("RGB", (SIDE, SIDE), (i % 256, i // 256 % 256, i // 65536 % 256))

    def fingerprint(self, i: int) -> str:
        """Return a text that only image i has."""
        return f"generated {i}"


class StandIn:
    """Mean colours, repeated to the width of a usual network's features."""

    image_size, feature_dim, trained, revision = SIDE, WIDTH, True, "1"

    def extract(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (n, WIDTH) features."""
        colours = images.reshape(len(images), -1, 3).mean(axis=1, dtype=np.float32)
        return np.tile(colours, (1, WIDTH // 3 + 1))[:, :WIDTH].astype(np.float32)
