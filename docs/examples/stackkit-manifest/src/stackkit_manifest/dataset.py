"""The dataset object: a line of the manifest is a sample."""

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
    """The images that `file` lists, in its order; paths start from `root`.

    An id is the path as it is written, with the box behind it if images are cut: one photograph may
    then be listed with several boxes. Files that are missing stay samples: they become failed images.
    """

    def __init__(self, file: Path, root: Path, *, crop: bool, limit: int | None) -> None:
        manifest = read_manifest(file)
        self.root = root
        self.crop = crop
        self._path_of = _paths_by_id(file, manifest.rows, crop)
        self.classes = _in_order({row.label for row in manifest.rows})
        if len(self.classes) == 1:
            raise DatasetError(f"{file} has the one label {self.classes[0]}; two or more are wanted")
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
            *_note(_missing(file, root, manifest.rows), "listed images that are missing on disk"),
            *_note(manifest.unread, "columns of the manifest that are not used"),
        )

    def image(self, i: int) -> Image.Image:
        """Image i, RGB, cut to its box if that was asked for; raises ImageError."""
        image = read_image(self._path(i))
        box = self._box(i)
        return _cut(image, box) if box else image

    def fingerprint(self, i: int) -> str:
        """Fingerprint of image i's file, and of its box if it is cut; raises OSError."""
        whole = file_fingerprint(self._path(i))
        box = self._box(i)
        return bytes_fingerprint(f"{whole} {box}".encode()) if box else whole

    def _path(self, i: int) -> Path:
        return self.root / self._path_of[self.samples[i].id]

    def _box(self, i: int) -> BoundingBox | None:
        return self.samples[i].bounding_box if self.crop else None


def manifest(*, file: str | None, root: str | None, crop: bool, limit: int | None) -> ManifestDataset:
    """Read the table; raises UsageError without one and DatasetError for one that cannot be meant."""
    if not file:
        raise UsageError("manifest: file= is wanted, such as manifest:file=photographs.csv")
    table = Path(file).expanduser().absolute()
    folder = Path(root).expanduser().absolute() if root else table.parent
    if root and not os.path.isdir(folder):  # noqa: PTH112 - Path.is_dir raises where a parent may not be read
        raise DatasetError(f"{folder} is no folder; point root= at the one that the paths start from")
    return ManifestDataset(table, folder, crop=crop, limit=limit)


def _id(row: Row, crop: bool) -> str:
    return f"{row.path}#{','.join(f'{side:g}' for side in row.box)}" if crop and row.box else row.path


def _paths_by_id(file: Path, rows: Sequence[Row], crop: bool) -> dict[str, str]:
    """Refuse an image that is listed twice: it might be trained on and tested on."""
    seen: dict[str, Row] = {}
    for row in rows:
        first = seen.setdefault(_id(row, crop), row)
        if first is not row:
            refuse(file, row.line, f"{_id(row, crop)} stands already on line {first.line}")
    return {name: row.path for name, row in seen.items()}


def _in_order(labels: set[str]) -> tuple[str, ...]:
    """By number where all labels are numbers: 10 comes after 9."""
    numbers = all(label.isdecimal() for label in labels)
    return tuple(sorted(labels, key=lambda label: (int(label) if numbers else 0, label)))


def _missing(file: Path, root: Path, rows: Sequence[Row]) -> list[str]:
    missing = [row.path for row in rows if not os.path.isfile(root / row.path)]  # noqa: PTH113
    if len(missing) == len(rows):
        raise DatasetError(
            f"none of the {len(rows)} images that {file} lists is below {root}, such as {missing[0]}; "
            "point root= at the folder that the paths start from"
        )
    return missing


def _cut(image: Image.Image, box: BoundingBox) -> Image.Image:
    """The part of the box that lies in the image, in whole pixels."""
    x, y, width, height = box
    left, top = max(0, round(x)), max(0, round(y))
    right, bottom = min(image.width, round(x + width)), min(image.height, round(y + height))
    if left >= right or top >= bottom:
        raise ImageError(f"its box {box} has no pixel of the {image.width}x{image.height} image")
    return image.crop((left, top, right, bottom))


def _note(names: Sequence[str], what: str) -> list[str]:
    return [f"{what}: {len(names)} (such as {names[0]})"] if names else []
