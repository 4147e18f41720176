"""Datasets of images that tests make, for what looks at pixels."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from stackkit.api.dataset import Sample
from stackkit.api.errors import ImageError
from stackkit.audit.subject import Subject
from stackkit.evaluation.features import Features


@dataclass
class Pictures:
    """Images in memory; `decoded` counts how often any was decoded."""

    images: Sequence[Image.Image | None]
    samples: Sequence[Sample]
    classes: Sequence[str] = ("a", "b")
    notes: Sequence[str] = ()
    decoded: list[int] = field(default_factory=list)

    def image(self, i: int) -> Image.Image:
        self.decoded.append(i)
        found = self.images[i]
        if found is None:
            raise ImageError("the file is empty")
        return found

    def fingerprint(self, i: int) -> str:
        return f"{i:032x}"


def pictures(images: Sequence[Image.Image | None], **of_samples: Sequence[Any]) -> Pictures:
    """Return a dataset of images; keywords are columns of its samples."""
    columns = {"label": [0] * len(images), **of_samples}
    samples = [
        Sample(id=f"{i}.jpg", **{name: column[i] for name, column in columns.items()})
        for i in range(len(images))
    ]
    return Pictures(images=images, samples=samples)


def subject_of(
    dataset: Pictures, features: np.ndarray | None = None, fingerprints: Sequence[str] | None = None
) -> Subject:
    """Return all images of a dataset with features, or with their own colours as features."""
    count = len(dataset.samples)
    if features is None:
        features = np.stack([_colours(each) for each in dataset.images])
    return Subject(
        dataset=dataset,
        rows=np.arange(count),
        labels=np.array([each.label for each in dataset.samples], np.int64),
        classes=dataset.classes,
        features=[Features.from_matrix("colours", features.astype(np.float32))],
        fingerprints=[dataset.fingerprint(i) for i in range(count)]
        if fingerprints is None
        else fingerprints,
    )


def birds(root: Path, count: int) -> list[Image.Image]:
    """Return so many real photographs from all 20 species."""
    files = sorted(root.glob("images/*/*.jpg"))
    return [Image.open(file).convert("RGB") for file in files[:: len(files) // count][:count]]


def _colours(image: Image.Image | None) -> np.ndarray:
    """Return 16 x 16 pixels relative to their mean."""
    if image is None:
        return np.zeros(768)
    pixels = np.asarray(image.resize((16, 16)), dtype=np.float64)
    return (pixels - pixels.mean()).ravel()
