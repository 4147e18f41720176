"""Turn a table into a dataset: each row becomes a sample."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from stackkit.api import (
    DatasetError,
    ImageError,
    PixelOptions,
    Sample,
    UsageError,
    bytes_fingerprint,
    file_fingerprint,
    leave_out_small_classes,
    limit_per_class,
    read_image,
    user_path,
)
from stackkit_plugins.csv_table.records import refuse
from stackkit_plugins.csv_table.table import Row, read_table
from stackkit_plugins.shared.image_lists import notes
from stackkit_plugins.shared.image_lists.names import one_form

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
    file : Path
        A Parquet file (ending in .parquet or .pq), else a CSV file.
    root : Path
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
        file: Path,
        root: Path,
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
        self._path_of = {
            name: _located(root, row.path) for name, row in zip(ids, table.rows, strict=True)
        }
        missing = _missing(file, root, table.rows, [self._path_of[name] for name in ids])
        self.notes = (
            *notes.counted("listed images that do not exist", missing),
            *small,
            *notes.groups(self.samples),
            *notes.alike_classes(self.classes),
            *notes.counted("unused columns of the table", table.unused),
        )

    def image(self, i: int) -> Image.Image:
        """Read image i in mode RGB, cropped to its box with `crop`; raises ImageError."""
        image = read_image(self._path(i), self._pixels)
        box = self._box(i)
        return _crop(image, box) if box else image

    def fingerprint(self, i: int) -> str:
        """Return the fingerprint of image i's file, and of its box with `crop`; raises OSError."""
        whole = file_fingerprint(self._path(i), self._pixels)
        box = self._box(i)
        return bytes_fingerprint(f"{whole} {box}".encode()) if box else whole

    def _path(self, i: int) -> Path:
        return self._path_of[self.samples[i].id]

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
    table = user_path(file).absolute()
    folder = user_path(root).absolute() if root else table.parent
    if root and not os.path.isdir(folder):  # noqa: PTH112 - Path.is_dir raises where a parent may not be read
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


def _id(row: Row, root: Path, crop: bool) -> str:
    path = PurePosixPath(row.path)
    if path.is_relative_to(root.as_posix()):  # an absolute path below the root
        path = path.relative_to(root.as_posix())
    name = one_form(path.as_posix())
    return f"{name}#{','.join(f'{side:g}' for side in row.box)}" if crop and row.box else name


def _sample(name: str, row: Row, label_of: Mapping[str, int]) -> Sample:
    return Sample(
        id=name, label=label_of[row.label], split=row.split, bounding_box=row.box, group=row.group
    )


def _refuse_repeated(file: Path, root: Path, crop: bool, rows: Sequence[Row]) -> None:
    """Refuse an image that is listed twice: it could be in the training and in the test set."""
    seen: dict[tuple[str, BoundingBox | None], Row] = {}
    for row in rows:
        path = os.path.normpath(_id(row, root, crop=False))  # "a/../b.png" is "b.png"
        first = seen.setdefault((path, row.box if crop else None), row)
        if first is not row:
            label = "" if first.label == row.label else f" with label {first.label!r}"
            refuse(file, row.where, f"{row.path} is already listed on {first.where}{label}; remove one")


def _located(root: Path, path: str) -> Path:
    """Return the file of that name, in whichever Unicode form the file system has it."""
    forms = dict.fromkeys([path, *(unicodedata.normalize(form, path) for form in ("NFC", "NFD"))])
    places = [root / form for form in forms]
    return next((place for place in places if _is_file(place)), places[0])


def _in_order(labels: set[str]) -> list[str]:
    """Sort labels, by number if all are numbers: 10 comes after 9."""
    numbers = all(label.isdecimal() for label in labels)
    return sorted(labels, key=lambda label: (int(label) if numbers else 0, label))


def _missing(file: Path, root: Path, rows: Sequence[Row], paths: Sequence[Path]) -> list[str]:
    missing = [
        f"{row.path} on {row.where}" for row, path in zip(rows, paths, strict=True) if not _is_file(path)
    ]
    if len(missing) == len(rows):
        raise DatasetError(
            f"none of the {len(rows)} images listed in {file} exists below {root}, for example "
            f"{missing[0]}; pass root=, the folder that paths are relative to"
        )
    return missing


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113 - Path.is_file raises where a folder may not be read


def _crop(image: Image.Image, box: BoundingBox) -> Image.Image:
    """Return the part of the box inside the image, in whole pixels."""
    x, y, width, height = box
    left, top = max(0, round(x)), max(0, round(y))
    right, bottom = min(image.width, round(x + width)), min(image.height, round(y + height))
    if left >= right or top >= bottom:
        raise ImageError(f"the box {box} is outside the image of {image.width}x{image.height} pixels")
    return image.crop((left, top, right, bottom))
