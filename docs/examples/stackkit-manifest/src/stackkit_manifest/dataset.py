"""The dataset: each line of the manifest is a sample."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stackkit.api import (
    DatasetError,
    ImageError,
    Sample,
    UsageError,
    bytes_fingerprint,
    file_fingerprint,
    limit_per_class,
    read_image,
)
from stackkit_manifest.table import Row, read_manifest, refuse

if TYPE_CHECKING:
    from PIL import Image

    from stackkit.api import BoundingBox


class ManifestDataset:
    """The images listed in `file`, in this order; paths are relative to `root`.

    The id of a sample is its path, followed by the box if images are cropped, because one photo may then
    be listed with several boxes. Missing files remain samples and are reported as failed images.
    """

    def __init__(self, file: Path, root: Path, *, crop: bool, limit: int | None) -> None:
        manifest = read_manifest(file)
        self.root = root
        self.crop = crop
        self._path_of = _paths_by_id(file, manifest.rows, crop)
        self.classes = _in_order({row.label for row in manifest.rows})
        if len(self.classes) == 1:
            raise DatasetError(f"{file} must have two or more labels, got only {self.classes[0]!r}")
        label_of = {name: label for label, name in enumerate(self.classes)}
        every = [
            Sample(
                id=_id(row, crop),
                label=label_of[row.label],
                split=row.split,
                bounding_box=row.box,
            )
            for row in manifest.rows
        ]
        self.samples = tuple(limit_per_class(every, limit))
        self.notes = (
            *_note(_missing(file, root, manifest.rows), "listed images that do not exist"),
            *_note(manifest.unread, "unused columns of the manifest"),
        )

    def image(self, i: int) -> Image.Image:
        """Return image i as RGB, cropped to its box with crop=true; raise ImageError if it is broken."""
        image = read_image(self._path(i))
        box = self._box(i)
        return _crop(image, box) if box else image

    def fingerprint(self, i: int) -> str:
        """Return the fingerprint of file i, and of its box with crop=true; raises OSError."""
        whole = file_fingerprint(self._path(i))
        box = self._box(i)
        return bytes_fingerprint(f"{whole} {box}".encode()) if box else whole

    def _path(self, i: int) -> Path:
        return self.root / self._path_of[self.samples[i].id]

    def _box(self, i: int) -> BoundingBox | None:
        return self.samples[i].bounding_box if self.crop else None


def manifest(*, file: str | None, root: str | None, crop: bool, limit: int | None) -> ManifestDataset:
    """Read the table; raise UsageError without one and DatasetError for an invalid one."""
    if not file:
        raise UsageError("manifest: file= is required, for example manifest:file=photos.csv")
    table = Path(file).expanduser().absolute()
    folder = Path(root).expanduser().absolute() if root else table.parent
    if root and not os.path.isdir(folder):  # noqa: PTH112 - Path.is_dir raises where a parent may not be read
        raise DatasetError(f"root={folder} is not a folder; pass the folder that paths are relative to")
    return ManifestDataset(table, folder, crop=crop, limit=limit)


def _id(row: Row, crop: bool) -> str:
    return f"{row.path}#{','.join(f'{side:g}' for side in row.box)}" if crop and row.box else row.path


def _paths_by_id(file: Path, rows: Sequence[Row], crop: bool) -> dict[str, str]:
    """Refuse images listed twice: they could be in the training and the test set."""
    seen: dict[str, Row] = {}
    for row in rows:
        first = seen.setdefault(_id(row, crop), row)
        if first is not row:
            refuse(file, row.line, f"{_id(row, crop)} is already listed on line {first.line}")
    return {name: row.path for name, row in seen.items()}


def _in_order(labels: set[str]) -> tuple[str, ...]:
    """Sort labels, by number if all are numbers: 10 comes after 9."""
    numbers = all(label.isdecimal() for label in labels)
    return tuple(sorted(labels, key=lambda label: (int(label) if numbers else 0, label)))


def _missing(file: Path, root: Path, rows: Sequence[Row]) -> list[str]:
    missing = [row.path for row in rows if not os.path.isfile(root / row.path)]  # noqa: PTH113
    if len(missing) == len(rows):
        raise DatasetError(
            f"none of the {len(rows)} images listed in {file} exists below {root}, for example "
            f"{missing[0]}; pass root=, the folder that paths are relative to"
        )
    return missing


def _crop(image: Image.Image, box: BoundingBox) -> Image.Image:
    """Return the part of the box inside the image, in whole pixels."""
    x, y, width, height = box
    left, top = max(0, round(x)), max(0, round(y))
    right, bottom = min(image.width, round(x + width)), min(image.height, round(y + height))
    if left >= right or top >= bottom:
        raise ImageError(f"the box {box} is outside the image of {image.width}x{image.height} pixels")
    return image.crop((left, top, right, bottom))


def _note(names: Sequence[str], what: str) -> list[str]:
    return [f"{what}: {len(names)} (for example {names[0]})"] if names else []
