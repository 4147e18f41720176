"""Recompute some stored rows, to verify that the network still returns what is stored."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit.api.errors import ImageError, StoreError
from stackkit.api.reporter import Reporter
from stackkit.extraction.backbone import CheckedBackbone, make_backbone
from stackkit.extraction.boxes import Boxes, how_to_store, stored_boxes
from stackkit.extraction.dataset import CheckedDataset, open_dataset
from stackkit.extraction.feature_set import FeatureSet
from stackkit.extraction.geometry import pixels
from stackkit.extraction.row_independence import relative_differences
from stackkit.host.registry import Registry, with_seed
from stackkit.store.metadata import Contents
from stackkit.store.reading import intact_rows
from stackkit.store.rows import Stored

TOLERANCE = {"float32": 1e-4, "float16": 1e-3}
"""Largest relative difference of a row that runtimes and rounding explain, by stored dtype."""

BATCH = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Recomputed:
    """A row that was recomputed.

    Parameters
    ----------
    sample : str
        Name of the image.
    difference : float or None
        Norm of the difference, divided by the norm of the stored row; None if it was skipped.
    skipped : str or None
        Why it was not recomputed.

    """

    sample: str
    difference: float | None
    skipped: str | None = None

    def disagrees(self, tolerance: float) -> bool:
        """Return whether the difference is larger than `tolerance`, or not a number."""
        return self.difference is not None and not self.difference <= tolerance


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    number: int
    stored: Stored
    pixels: NDArray[np.uint8]


def recompute(
    path: Path, contents: Contents, count: int, seed: int, registry: Registry, reporter: Reporter
) -> list[Recomputed]:
    """Recompute random rows with the backbone and the dataset they came from.

    Parameters
    ----------
    path, contents : Path, Contents
        The feature file and its metadata.
    count, seed : int
        How many intact rows to recompute, and the seed to draw them with.
    registry : Registry
        All components.
    reporter : Reporter
        Receives progress.

    Returns
    -------
    list of Recomputed
        One per row: first those that were skipped, then the others in order.

    Raises
    ------
    StoreError
        If the features of the backbone belong to another file by now.
    StackkitError
        If the dataset or the backbone cannot be opened.

    """
    feature_set = set_in(path, contents, registry)
    _require_same_setting(path, contents, feature_set)
    dataset = open_dataset(registry.one("dataset", contents.dataset), least_classes=1)
    numbers = [row for row, _ in intact_rows(contents)]
    drawn = set(random.Random(seed).sample(numbers, min(count, len(numbers))))  # noqa: S311
    # Read a second time, because the features of all rows may not fit into memory.
    stored = {row: features for row, features in intact_rows(contents) if row in drawn}
    boxes = stored_boxes(path, contents)
    rows, skipped = _images(contents, dataset, stored, feature_set, boxes)
    return [*skipped, *_compare(contents, feature_set.backbone, rows, reporter)]


def set_in(path: Path, contents: Contents, registry: Registry) -> FeatureSet:
    """Return the feature set that the file at `path` has; raises StoreError if it does not say."""
    backbone, boxes = _recorded(path, contents.provenance, "component", registry), None
    if contents.key.boxes:
        boxes = FeatureSet(backbone=_recorded(path, contents.provenance, "boxes", registry))
    return FeatureSet(backbone=backbone, view=contents.key.view, boxes=boxes)


def _recorded(path: Path, provenance: Sequence[Any], part: str, registry: Registry) -> CheckedBackbone:
    # The last origin first: it is the most recent one. Salvaged rows have no component.
    for origin in reversed(provenance):
        if text := origin.get(part, {}).get("label"):
            # A seed that the run set is no part of the label.
            seed = origin[part].get("options", {}).get("seed", registry.seed)
            return make_backbone(with_seed(registry, seed).one("backbone", str(text)))
    raise StoreError(f"{path} does not record which backbone and options its features come from")


def _require_same_setting(path: Path, contents: Contents, feature_set: FeatureSet) -> None:
    key = replace(feature_set.key, dtype=contents.key.dtype)
    if key != contents.key:
        raise StoreError(
            f"{path} has features of {contents.key.name}, revision {contents.key.revision}; "
            f"{feature_set.label} now has revision {key.revision}, so they cannot be compared"
        )


def _images(
    contents: Contents,
    dataset: CheckedDataset,
    stored: dict[int, Stored],
    feature_set: FeatureSet,
    boxes: Boxes | None,
) -> tuple[list[_Row], list[Recomputed]]:
    """Return the rows with an unchanged image, and the others with the reason."""
    places = {sample.id: i for i, sample in enumerate(dataset.samples)}
    rows, skipped, geometry = [], [], feature_set.geometry
    for number, features in stored.items():
        name = contents.rows.samples[number].id
        try:
            if name not in places:
                raise ImageError("the dataset no longer contains this image")
            if dataset.fingerprint(places[name]) != contents.rows.fingerprints[number]:
                raise ImageError("the image has changed since its features were stored")
            if boxes and not boxes.has(number):
                raise ImageError(f"its box is no longer stored; {how_to_store(contents)}")
            image = dataset.image(places[name])
            box = boxes.on_image(number, image.size) if boxes else None
            rows.append(_Row(number=number, stored=features, pixels=pixels(image, geometry, box)))
        except (OSError, ImageError) as error:
            skipped.append(Recomputed(sample=name, difference=None, skipped=str(error)))
    return rows, skipped


def _compare(
    contents: Contents, backbone: CheckedBackbone, rows: Sequence[_Row], reporter: Reporter
) -> list[Recomputed]:
    compared, task = [], f"recomputing with {backbone.label}"
    reporter.start(task, len(rows))
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        pixels = np.stack([row.pixels for row in batch])
        if not start:  # once, on the first images, as for an extraction
            backbone.prepare(pixels, reporter.message)
        stored = np.stack([row.stored for row in batch])
        differences = relative_differences(backbone.features(pixels), stored)
        for row, difference in zip(batch, differences.tolist(), strict=True):
            name = contents.rows.samples[row.number].id
            compared.append(Recomputed(sample=name, difference=difference))
        reporter.advance(task, len(batch))
    return compared
