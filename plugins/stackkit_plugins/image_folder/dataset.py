"""Turn a folder of images into a dataset: class folders become classes, image files become samples."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stackkit.api import (
    DatasetError,
    Sample,
    UsageError,
    file_fingerprint,
    limit_per_class,
    read_image,
    user_path,
)
from stackkit_plugins.image_folder.scan import ENDINGS, Scan, examples

if TYPE_CHECKING:
    from PIL import Image

_SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
_LAYOUT = "one folder per class, optionally in train/, val/ and test/"


@dataclass(frozen=True, slots=True, kw_only=True)
class _ClassFolder:
    """A folder with the images of one class, and of one official split if there are splits."""

    split: str | None
    name: str
    images: tuple[str, ...]


class ImageFolder:
    """The images below `root`, sorted by their relative path, which is also their id.

    Parameters
    ----------
    root : Path
    limit : int, optional
        Maximum number of images per class.

    Raises
    ------
    DatasetError
        If the folder cannot be listed, or has fewer than two classes with images.

    """

    def __init__(self, root: Path, *, limit: int | None = None) -> None:
        scan = Scan(root)
        try:
            folders = _class_folders(root, scan)
        except OSError as error:
            raise DatasetError(f"{root} cannot be listed ({error}); check its permissions") from error
        self.root = root
        self.classes = tuple(sorted({folder.name for folder in folders if folder.images}))
        _check_classes(root, self.classes, scan)
        label_of = {name: label for label, name in enumerate(self.classes)}
        every = [
            Sample(id=image, label=label_of[folder.name], split=folder.split)
            for folder in folders
            for image in folder.images
        ]
        self.samples = tuple(limit_per_class(sorted(every, key=lambda sample: sample.id), limit))
        self.notes = (*_class_notes(folders, self.classes), *scan.ignored.notes())

    def image(self, i: int) -> Image.Image:
        """Read image i in mode RGB; raises ImageError."""
        return read_image(self.root / self.samples[i].id)

    def fingerprint(self, i: int) -> str:
        """Return the fingerprint of image i's file; raises OSError."""
        return file_fingerprint(self.root / self.samples[i].id)


def image_folder(*, root: str | None, limit: int | None) -> ImageFolder:
    """Create the dataset; raises UsageError without a `root` and DatasetError for an unusable one."""
    if not root:
        raise UsageError("image-folder: root= is required, for example image-folder:root=photographs")
    folder = user_path(root).absolute()
    if not os.path.isdir(folder):  # noqa: PTH112 - Path.is_dir raises if a parent folder is unreadable
        found = "is a file" if os.path.isfile(folder) else "does not exist"  # noqa: PTH113
        raise DatasetError(f"{folder} {found}; point root= to a folder with {_LAYOUT}")
    return ImageFolder(folder, limit=limit)


def _class_folders(root: Path, scan: Scan) -> list[_ClassFolder]:
    top = scan.folders()
    places = (
        _places_in_splits(root, top, scan) if _are_splits(top) else [(None, name, name) for name in top]
    )
    if not places:
        raise DatasetError(f"{root} has no class folders; expected {_LAYOUT}{_ignored(scan)}")
    return [
        _ClassFolder(split=split, name=name, images=tuple(scan.images(path)))
        for split, name, path in places
    ]


def _are_splits(names: Sequence[str]) -> bool:
    """Return whether these folders are train/ and at least one other split, and nothing else.

    A folder "train" beside "bus" is a class of vehicles.
    """
    lowered = {name.lower() for name in names}
    return len(lowered) > 1 and "train" in lowered and lowered <= _SPLITS.keys()


def _places_in_splits(root: Path, top: Sequence[str], scan: Scan) -> list[tuple[str | None, str, str]]:
    places: list[tuple[str | None, str, str]] = []
    for folder in top:
        split = _SPLITS[folder.lower()]
        below = [(split, name, f"{folder}/{name}") for name in scan.folders(folder)]
        if not below and split == "train":
            raise DatasetError(
                f"{root / folder} has no class folders; expected {_LAYOUT}{_ignored(scan)}"
            )
        places += below
    return places


def _check_classes(root: Path, classes: Sequence[str], scan: Scan) -> None:
    if not classes:
        raise DatasetError(
            f"{root} has class folders but no images; expected files ending in "
            f"{', '.join(sorted(ENDINGS))}{_ignored(scan)}"
        )
    if len(classes) == 1:
        raise DatasetError(
            f"{root} has images of only one class ({classes[0]}), expected at least two; "
            f"point root= to the folder that contains the class folders{_ignored(scan)}"
        )


def _ignored(scan: Scan) -> str:
    notes = scan.ignored.notes()
    return f"; {'; '.join(notes)}" if notes else ""


def _class_notes(folders: Sequence[_ClassFolder], classes: Sequence[str]) -> list[str]:
    notes = []
    empty = {folder.name for folder in folders} - set(classes)
    if empty:
        notes.append(f"ignored: class folders without images: {len(empty)} ({examples(empty)})")
    for split in sorted({folder.split for folder in folders if folder.split}):
        present = {folder.name for folder in folders if folder.split == split and folder.images}
        if absent := set(classes) - present:
            notes.append(f"classes without images in {split}: {len(absent)} ({examples(absent)})")
    return notes
