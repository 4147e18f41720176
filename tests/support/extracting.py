"""Extract real images with small real backbones, and look at what the store holds then."""

import numpy as np

from stackkit.api.images import squash
from stackkit.api.reporter import SilentReporter
from stackkit.extraction.backbone import CheckedBackbone
from stackkit.extraction.extract import extract, fingerprints


class MeanColours:
    """Mean colour of each of the four quarters of an image: (n, size, size, 3) -> (n, 12)."""

    feature_dim = 12
    trained = True
    revision = "1"

    def __init__(self, size: int) -> None:
        self.image_size = size
        self.calls = 0

    def extract(self, images):
        self.calls += 1
        half = self.image_size // 2
        tiles = images[:, : 2 * half, : 2 * half].reshape(-1, 2, half, 2, half, 3)
        return tiles.mean(axis=(2, 4)).reshape(len(images), 12).astype(np.float32)


class Counting:
    """A dataset that counts how often each of its images is decoded."""

    def __init__(self, dataset) -> None:
        self.dataset, self.decoded = dataset, []
        self.classes, self.samples, self.notes = dataset.classes, dataset.samples, dataset.notes

    def image(self, i):
        self.decoded.append(i)
        return self.dataset.image(i)

    def fingerprint(self, i):
        return self.dataset.fingerprint(i)


def extracted(dataset, store, *backbones, strict=False):
    """Summary of an extraction; backbone number k is labelled `colours-k`."""
    rows, _ = fingerprints("birds", dataset, SilentReporter())
    named = checked(*backbones)
    summary = extract(dataset, rows, named, store, SilentReporter(), strict=strict)
    return summary, [stored(store, one, rows) for one in named]


def checked(*backbones) -> list[CheckedBackbone]:
    """Backbone number k labelled `colours-k`, of the distribution `colours`."""
    provenance = {"component": {"distribution": "colours"}}
    return [
        CheckedBackbone(
            label=f"colours-{k}", qualified_name="test/colours", backbone=b, provenance=provenance
        )
        for k, b in enumerate(backbones)
    ]


def stored(store, named, rows):
    with store.open(named.key, rows, {}, create=False) as file:
        return file.read(), file.intact()


def directly(dataset, backbone) -> np.ndarray:
    squares = [
        squash(dataset.dataset.image(i), backbone.image_size) for i in range(len(dataset.samples))
    ]
    return backbone.extract(np.stack(squares))
