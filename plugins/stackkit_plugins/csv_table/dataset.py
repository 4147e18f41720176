"""Turn a table into a dataset: each row becomes a sample."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from stackkit.api import (
    DatasetError,
    ImageError,
    PixelOptions,
    Sample,
    UsageError,
    bytes_fingerprint,
    leave_out_small_classes,
    limit_per_class,
)
from stackkit_plugins.csv_table.places import located
from stackkit_plugins.csv_table.records import refuse
from stackkit_plugins.csv_table.table import Row, read_table
from stackkit_plugins.shared.image_lists import notes
from stackkit_plugins.shared.image_lists.names import one_form
from stackkit_plugins.shared.storage.image_files import ImageFiles
from stackkit_plugins.shared.storage.locations import is_url, location
from stackkit_plugins.shared.storage.remote_path import Location, RemotePath

if TYPE_CHECKING:
    from PIL import Image

    from stackkit.api import BoundingBox


class CsvDataset:
    """The images that `file` lists, in its order.

    The id of an image is its path relative to `root` in Unicode form NFC, followed by its box if images
    are cropped, because one photograph may then be listed with several boxes. A missing file stays a
    sample and becomes a failed image.

    Parameters
    ----------
    file : Path or RemotePath
        A Parquet file (ending in .parquet or .pq), else a CSV file.
    root : Path or RemotePath
        The folder that paths are relative to.
    encoding : str
        Of a CSV file without a byte order mark.
    crop : bool
        Crop every image to its box. An image without a box stays whole.
    min_per_class : int, optional
        Classes with fewer images are left out.
    limit : int, optional
        Maximum number of images per class.
    pixels : PixelOptions, optional
        How the pixels of the files are read. Boxes belong to images that are turned already.

    Raises
    ------
    DatasetError
        If the table cannot be read, a row is invalid, or all images are missing.
    UsageError
        If the encoding is unknown.

    """

    def __init__(
        self,
        file: Location,
        root: Location,
        *,
        encoding: str = "utf-8",
        crop: bool = False,
        min_per_class: int | None = None,
        limit: int | None = None,
        pixels: PixelOptions | None = None,
    ) -> None:
        table = read_table(file, encoding)
        self.crop = crop
        self._pixels = pixels or PixelOptions(orientation="exif")
        ids = [_id(row, root, crop) for row in table.rows]
        _refuse_repeated(file, root, crop, table.rows)
        every = _in_order({row.label for row in table.rows})
        if len(every) == 1:
            raise DatasetError(f"{file} must have two or more labels, got only {every[0]!r}")
        label_of = {name: label for label, name in enumerate(every)}
        samples, classes, small = leave_out_small_classes(
            [_sample(name, row, label_of) for name, row in zip(ids, table.rows, strict=True)],
            every,
            min_per_class,
        )
        self.classes = tuple(classes)
        self.samples = tuple(limit_per_class(samples, limit))
        places = located(root, table.rows)
        self._place_of = dict(zip(ids, places.of_rows, strict=True))
        self._files = ImageFiles(places.remote)
        missing = _missing(file, root, table.rows, places.exist)
        self.notes = (
            *notes.counted("listed images that do not exist", missing),
            *small,
            *notes.groups(self.samples),
            *notes.alike_classes(self.classes),
            *notes.counted("unused columns of the table", table.unused),
        )

    def image(self, i: int) -> Image.Image:
        """Read image i in mode RGB, cropped to its box with `crop`; raises ImageError."""
        image = self._files.image(self._place(i), self._pixels)
        box = self._box(i)
        return _crop(image, box) if box else image

    def fingerprint(self, i: int) -> str:
        """Return the fingerprint of image i's file, and of its box with `crop`; raises OSError."""
        whole = self._files.fingerprint(self._place(i), self._pixels)
        box = self._box(i)
        return bytes_fingerprint(f"{whole} {box}".encode()) if box else whole

    def _place(self, i: int) -> Location:
        return self._place_of[self.samples[i].id]

    def _box(self, i: int) -> BoundingBox | None:
        return self.samples[i].bounding_box if self.crop else None


def csv_dataset(
    *,
    file: str | None,
    root: str | None,
    encoding: str,
    crop: bool,
    min_per_class: int | None,
    limit: int | None,
    **pixels: Any,
) -> CsvDataset:
    """Read the table; raises UsageError without one and DatasetError for an invalid one."""
    if not file:
        raise UsageError("csv: file= is required, for example csv:file=photos.csv")
    table = location(file, "csv: file=")
    folder = location(root, "csv: root=") if root else table.parent
    # os.path, because Path.is_dir raises where a parent may not be read.
    if root and not isinstance(folder, RemotePath) and not os.path.isdir(folder):  # noqa: PTH112
        raise DatasetError(f"root={folder} is not a folder; pass the folder that paths are relative to")
    return CsvDataset(
        table,
        folder,
        encoding=encoding,
        crop=crop,
        min_per_class=min_per_class,
        limit=limit,
        pixels=PixelOptions(**pixels),
    )


def _id(row: Row, root: Location, crop: bool) -> str:
    path, start = row.path, root.as_posix()
    if is_url(path) or isinstance(root, RemotePath):
        path = path.removeprefix(f"{start}/")
    elif PurePosixPath(path).is_relative_to(start):  # an absolute path below the root
        path = PurePosixPath(path).relative_to(start).as_posix()
    name = one_form(path)
    return f"{name}#{','.join(f'{side:g}' for side in row.box)}" if crop and row.box else name


def _sample(name: str, row: Row, label_of: Mapping[str, int]) -> Sample:
    return Sample(
        id=name, label=label_of[row.label], split=row.split, bounding_box=row.box, group=row.group
    )


def _refuse_repeated(file: Location, root: Location, crop: bool, rows: Sequence[Row]) -> None:
    """Refuse an image that is listed twice: it could be in the training and in the test set."""
    seen: dict[tuple[str, BoundingBox | None], Row] = {}
    for row in rows:
        path = os.path.normpath(_id(row, root, crop=False))  # "a/../b.png" is "b.png"
        first = seen.setdefault((path, row.box if crop else None), row)
        if first is not row:
            label = "" if first.label == row.label else f" with label {first.label!r}"
            refuse(file, row.where, f"{row.path} is already listed on {first.where}{label}; remove one")


def _in_order(labels: set[str]) -> list[str]:
    """Sort labels, by number if all are numbers: 10 comes after 9."""
    numbers = all(label.isdecimal() for label in labels)
    return sorted(labels, key=lambda label: (int(label) if numbers else 0, label))


def _missing(file: Location, root: Location, rows: Sequence[Row], exist: Sequence[bool]) -> list[str]:
    missing = [
        f"{row.path} on {row.where}" for row, exists in zip(rows, exist, strict=True) if not exists
    ]
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
