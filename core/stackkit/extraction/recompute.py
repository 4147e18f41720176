"""Compute some stored rows once more: do they still come out of the network as they are kept?"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit.api.errors import ImageError, StoreError
from stackkit.api.images import squash
from stackkit.api.types import Reporter
from stackkit.extraction.backbone import CheckedBackbone, make_backbone
from stackkit.extraction.dataset import CheckedDataset, open_dataset
from stackkit.host.registry import Registry
from stackkit.store.metadata import Contents
from stackkit.store.rows import Stored, intact_rows

TOLERANCE = {"float32": 1e-4, "float16": 1e-3}
"""Largest difference that runtimes and rounding explain, as a share of the row's norm."""

BATCH = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Recomputed:
    """A row that was computed again: the difference as a share of its norm, or why it could not be."""

    sample: str
    difference: float | None
    skipped: str | None = None

    def disagrees(self, tolerance: float) -> bool:
        """Whether the stored row is not what the network gives."""
        return self.difference is not None and not self.difference <= tolerance


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    number: int
    stored: Stored
    pixels: NDArray[np.uint8]


def recompute(
    path: Path, contents: Contents, count: int, seed: int, registry: Registry, reporter: Reporter
) -> list[Recomputed]:
    """Compute `count` intact rows, drawn by `seed`, with the backbone and dataset they came from.

    Raises StoreError if the backbone gives other features by now, and what opening the dataset
    or the backbone raises.
    """
    named = make_backbone(registry.one("backbone", _backbone_text(path, contents.provenance)))
    _require_same(path, contents, named)
    dataset = open_dataset(registry.one("dataset", contents.rows.dataset))
    with path.open("rb", buffering=0) as file:
        numbers = [row for row, _, _ in intact_rows(file, contents.places, contents.fingerprints)]
        drawn = set(random.Random(seed).sample(numbers, min(count, len(numbers))))  # noqa: S311
        found = intact_rows(file, contents.places, contents.fingerprints)
        stored = {row: features for row, _, features in found if row in drawn}
    rows, skipped = _images(contents, dataset, stored, named.backbone.image_size)
    return [*skipped, *_compared(contents, named, rows, reporter)]


def _backbone_text(path: Path, provenance: Sequence[Any]) -> str:
    for origin in reversed(provenance):
        if text := origin.get("component", {}).get("label"):
            return str(text)
    raise StoreError(f"{path} does not say which backbone with which options made it")


def _require_same(path: Path, contents: Contents, named: CheckedBackbone) -> None:
    key = replace(named.key, dtype=contents.key.dtype)
    if key != contents.key:
        raise StoreError(
            f"{path} is of {contents.key.name}, revision {contents.key.revision}; {named.label} is now "
            f"revision {key.revision}, so its features belong to another file and cannot be compared"
        )


def _images(
    contents: Contents, dataset: CheckedDataset, stored: dict[int, Stored], size: int
) -> tuple[list[_Row], list[Recomputed]]:
    """The rows whose image is still what it was, and the others with the reason."""
    places = {sample.id: i for i, sample in enumerate(dataset.samples)}
    rows, skipped = [], []
    for number, features in stored.items():
        name = contents.rows.samples[number].id
        try:
            if name not in places:
                raise ImageError("the dataset has no such image any more")
            if dataset.fingerprint(places[name]) != contents.rows.fingerprints[number]:
                raise ImageError("the image has changed since")
            pixels = squash(dataset.image(places[name]), size)
            rows.append(_Row(number=number, stored=features, pixels=pixels))
        except (OSError, ImageError) as error:
            skipped.append(Recomputed(sample=name, difference=None, skipped=str(error)))
    return rows, skipped


def _compared(
    contents: Contents, named: CheckedBackbone, rows: Sequence[_Row], reporter: Reporter
) -> list[Recomputed]:
    compared, task = [], f"computing again with {named.label}"
    reporter.start(task, len(rows))
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        pixels = np.stack([row.pixels for row in batch])
        if not start:
            named.prepare(pixels, reporter.message)
        for row, features in zip(batch, named.features(pixels), strict=True):
            name = contents.rows.samples[row.number].id
            compared.append(Recomputed(sample=name, difference=_difference(features, row.stored)))
        reporter.advance(task, len(batch))
    return compared


def _difference(features: NDArray[np.float32], stored: Stored) -> float:
    """Norm of the difference as a share of the stored row's norm."""
    kept = stored.astype(np.float64)
    return float(np.linalg.norm(features - kept)) / max(float(np.linalg.norm(kept)), 1e-30)
