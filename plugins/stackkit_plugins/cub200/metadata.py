"""Turn the official metadata files into samples, and refuse files that contradict each other."""

from __future__ import annotations

import re
from dataclasses import dataclass

from stackkit.api import BoundingBox, Sample
from stackkit_plugins.cub200.tables import ID, Row, Table, check_same_ids, ends_midline, read_table
from stackkit_plugins.shared.storage.remote_path import Location

_NUMBER = re.compile(r"-?[0-9]{1,9}(\.[0-9]{1,9})?")
_IMAGE = re.compile(r".*[^/\\]\.(jpg|jpeg|png)", re.IGNORECASE)
_SPLITS = {"0": "test", "1": "train"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """Class names, and one sample per line of images.txt."""

    classes: tuple[str, ...]
    samples: tuple[Sample, ...]


def read_metadata(root: Location) -> Metadata:
    """Read and cross-check the five metadata files; raises DatasetError that names file and line."""
    images = read_table(root / "images.txt", expected="<image id> <class name>/<file name>.jpg")
    classes = read_table(root / "classes.txt", expected="<class id> <class name>")
    labels = read_table(root / "image_class_labels.txt", expected="<image id> <class id>")
    splits = read_table(root / "train_test_split.txt", expected="<image id> <1 for training, else 0>")
    boxes = read_table(root / "bounding_boxes.txt", expected="<image id> <x> <y> <width> <height>")
    _check_unique(images)
    _check_unique(classes)
    for table in (labels, splits, boxes):
        check_same_ids(table, images)
    label_of = {class_id: label for label, class_id in enumerate(classes)}
    samples = tuple(
        Sample(
            id=_path(image),
            label=label_of[_class_of(image, labels[image.id], classes)],
            split=_split(splits[image.id]),
            bounding_box=_box(boxes[image.id]),
        )
        for image in images.values()
    )
    _check_last_box(boxes)
    return Metadata(classes=tuple(row.value for row in classes.values()), samples=samples)


def _check_unique(table: Table) -> None:
    seen: dict[str, Row] = {}
    for row in table.values():
        if row.value in seen:
            row.refuse(f"{row.value} is already on line {seen[row.value].line}")
        seen[row.value] = row


def _path(image: Row) -> str:
    folder, slash, name = image.value.partition("/")
    if not slash or folder in ("", ".", "..") or "\\" in image.value or not _IMAGE.fullmatch(name):
        image.refuse(f"expected <class name>/<file name>.jpg, got {image.value!r}")
    if "/" in name:
        image.refuse(f"{image.value!r} is not a file in a class folder of images/")
    return image.value


def _class_of(image: Row, label: Row, classes: Table) -> int:
    named = classes.get(int(label.value)) if ID.fullmatch(label.value) else None
    if named is None:
        label.refuse(f"expected a class id of classes.txt, got {label.value!r}")
    folder = image.value.partition("/")[0]
    if named.value != folder:
        label.refuse(
            f"class {named.id} is {named.value!r} on line {named.line} of classes.txt, but the image "
            f"is in {folder!r} on line {image.line} of images.txt"
        )
    return named.id


def _split(row: Row) -> str:
    if row.value not in _SPLITS:
        row.refuse(f"expected 1 (training) or 0 (test), got {row.value!r}")
    return _SPLITS[row.value]


def _box(row: Row) -> BoundingBox:
    fields = row.value.split()
    if len(fields) != 4 or not all(_NUMBER.fullmatch(field) for field in fields):
        row.refuse(f"expected x, y, width and height, got {row.value!r}")
    x, y, width, height = map(float, fields)
    if width <= 0 or height <= 0:
        row.refuse(f"width and height must be above 0, got {row.value!r}")
    return x, y, width, height


def _check_last_box(boxes: Table) -> None:
    """Refuse a last line cut from "304.0" to "304", which is still a number.

    A cut id or name is found by comparing the files with each other; a cut number is not.
    """
    last = list(boxes.values())[-1]
    decimals = {len(field.partition(".")[2]) for field in last.value.split()}
    if len(decimals) > 1 and ends_midline(last.file):
        last.refuse(f"the file ends within {last.value!r}")
