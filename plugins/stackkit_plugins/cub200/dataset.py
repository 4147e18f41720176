"""Read CUB-200-2011 in its official layout; downloading is up to `fetch`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from stackkit.api import (
    DatasetError,
    datasets_dir,
    limit_per_class,
)
from stackkit_plugins.cub200.files import compare
from stackkit_plugins.cub200.metadata import read_metadata
from stackkit_plugins.shared.storage.filesystems import StorageError
from stackkit_plugins.shared.storage.image_files import ImageFiles
from stackkit_plugins.shared.storage.locations import location
from stackkit_plugins.shared.storage.remote_path import Location, RemotePath

if TYPE_CHECKING:
    from PIL import Image

FOLDER = "CUB_200_2011"

_OVERLAP = (
    "CUB-200-2011's authors warn that its images overlap with ImageNet, on which backbones are "
    "usually trained: backbones may have been trained on some of the test images"
)


class Cub200:
    """The images listed in images.txt, in that order; an image's id is its path below images/.

    Parameters
    ----------
    root : Path or RemotePath
        The unpacked CUB_200_2011 folder.
    limit : int, optional
        Maximum number of images per class.

    Raises
    ------
    DatasetError
        If metadata are missing or contradict each other, or if no listed image is on disk.

    """

    def __init__(self, root: Location, *, limit: int | None = None) -> None:
        metadata = read_metadata(root)
        files = compare(root, metadata.samples)
        if len(files.missing) == len(metadata.samples):
            raise DatasetError(
                f"{root / 'images'} contains none of the {len(files.missing)} images listed in "
                f"images.txt, for example {files.missing[0]}; unpack the dataset again"
            )
        self.root = root
        self.classes = metadata.classes
        self.samples = tuple(limit_per_class(metadata.samples, limit))
        self.missing = files.missing
        self._files = ImageFiles(files.remote)
        empty = set(metadata.classes) - {metadata.classes[sample.label] for sample in self.samples}
        self.notes = (
            _OVERLAP,
            *_note(files.missing, "images listed in images.txt but missing or empty on disk"),
            *_note(files.unlisted, "ignored: files below images/ that images.txt does not list"),
            *_note(sorted(empty), "classes without images"),
        )

    def image(self, i: int) -> Image.Image:
        """Read image i in mode RGB; raises ImageError."""
        return self._files.image(self._place(i))

    def fingerprint(self, i: int) -> str:
        """Return the fingerprint of image i's file; raises OSError."""
        return self._files.fingerprint(self._place(i))

    def _place(self, i: int) -> Location:
        return self.root / "images" / self.samples[i].id


def cub200(*, root: str | None, limit: int | None, url: str, md5: str) -> Cub200:
    """Create the dataset from `root` or the default folder; `url` and `md5` are for `fetch` only."""
    if reason := unavailable_reason(root=root):
        raise DatasetError(reason)
    return Cub200(locate(root), limit=limit)


def unavailable_reason(*, root: str | None, **others: object) -> str | None:
    """Return why the default folder cannot be read and what to do, or None.

    A `root` that the user gave is not checked here: reading it reports exactly what is wrong.
    """
    del others
    folder = datasets_dir() / FOLDER
    if root is not None or os.path.exists(folder):  # noqa: PTH110
        return None
    return (
        f"CUB-200-2011 not found in {folder}; run `stackkit fetch --dataset cub200` (1.1 GB), or pass "
        "root=FOLDER, the unpacked CUB_200_2011 folder"
    )


def locate(root: str | None) -> Location:
    """Return the dataset's folder: `root`, a CUB_200_2011 folder in it, or the default folder."""
    if root is None:
        return datasets_dir() / FOLDER
    given = location(root, "cub200: root=")
    if isinstance(given, RemotePath):
        return _locate_remote(given)
    # os.path, because Path.exists raises PermissionError for an unreadable folder. Reading the
    # metadata later gives a better message.
    if not os.path.exists(given / "images.txt") and os.path.isdir(given / FOLDER):  # noqa: PTH110, PTH112
        return given / FOLDER
    return given


def _locate_remote(given: RemotePath) -> RemotePath:
    try:
        is_inside = not (given / "images.txt").exists() and (given / FOLDER / "images.txt").exists()
    except StorageError as error:
        raise DatasetError(
            f"{given} cannot be read ({error}); check your credentials and the connection"
        ) from error
    return given / FOLDER if is_inside else given


def _note(names: Sequence[str], what: str) -> list[str]:
    return [f"{what}: {len(names)} (for example {names[0]})"] if names else []
