"""Turn a folder of images into a dataset: class folders become classes, image files become samples."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from stackkit.api import (
    IMAGE_ENDINGS,
    DatasetError,
    PixelOptions,
    Sample,
    UsageError,
    leave_out_small_classes,
    limit_per_class,
)
from stackkit_plugins.image_folder.groups import grouped
from stackkit_plugins.image_folder.layout import EXPECTED, ClassFolder, Layout, class_folders
from stackkit_plugins.image_folder.scan import Ignored, Scan
from stackkit_plugins.shared.image_lists import notes
from stackkit_plugins.shared.image_lists.names import one_form
from stackkit_plugins.shared.storage.image_files import ImageFiles
from stackkit_plugins.shared.storage.locations import location
from stackkit_plugins.shared.storage.remote_path import Location, RemotePath

if TYPE_CHECKING:
    from PIL import Image


class ImageFolder:
    """The images below `root`, sorted by id.

    The id of an image is its path relative to `root` in Unicode form NFC, so that copies of a folder on
    macOS and on Linux have the same ids.

    Parameters
    ----------
    root : Path or RemotePath
    layout : {"auto", "classes", "splits"}
        What the folders in `root` are, see `class_folders`.
    group : str, optional
        A regular expression for the group of an image, see `grouped`.
    min_per_class : int, optional
        Classes with fewer images are left out.
    limit : int, optional
        Maximum number of images per class.
    pixels : PixelOptions, optional
        How the pixels of the files are read.

    Raises
    ------
    DatasetError
        If the folder cannot be listed, has no class with images, or could be read in two
        ways.
    UsageError
        If `group` is not a regular expression.

    """

    def __init__(
        self,
        root: Location,
        *,
        layout: Layout = "auto",
        group: str | None = None,
        min_per_class: int | None = None,
        limit: int | None = None,
        pixels: PixelOptions | None = None,
    ) -> None:
        try:
            scan = Scan(root)
        except OSError as error:
            raise DatasetError(_unlistable(root, error)) from error
        try:
            folders = class_folders(scan.tree, layout, scan.ignored)
            every = sorted({folder.name for folder in folders if folder.images})
            _check_classes(every)
        except DatasetError as error:
            raise DatasetError("; ".join([f"{root} {error}", *scan.ignored.notes()])) from None
        self.root = root
        self._pixels = pixels or PixelOptions(orientation="exif")
        self._files = ImageFiles(scan.remote)
        self._path_of = _ids([path for folder in folders for path in folder.images], scan.ignored)
        samples, classes, small = leave_out_small_classes(
            _samples(folders, every, self._path_of), every, min_per_class
        )
        self.classes = tuple(classes)
        self.samples = tuple(limit_per_class(grouped(samples, group), limit))
        self.notes = (
            *_class_notes(folders, every),
            *small,
            *notes.groups(self.samples),
            *scan.ignored.notes(),
        )

    def image(self, i: int) -> Image.Image:
        """Read image i in mode RGB; raises ImageError."""
        return self._files.image(self._place(i), self._pixels)

    def fingerprint(self, i: int) -> str:
        """Return the fingerprint of image i's file; raises OSError."""
        return self._files.fingerprint(self._place(i), self._pixels)

    def _place(self, i: int) -> Location:
        return self.root / self._path_of[self.samples[i].id]


def image_folder(
    *,
    root: str | None,
    layout: Layout,
    group: str | None,
    min_per_class: int | None,
    limit: int | None,
    **pixels: Any,
) -> ImageFolder:
    """Create the dataset; raises UsageError without a `root` and DatasetError for an unusable one."""
    if not root:
        raise UsageError("image-folder: root= is required, for example image-folder:root=photographs")
    folder = location(root, "image-folder: root=")
    # os.path, because Path.is_dir raises if a parent folder is unreadable.
    if not isinstance(folder, RemotePath) and not os.path.isdir(folder):  # noqa: PTH112
        found = "is a file" if os.path.isfile(folder) else "does not exist"  # noqa: PTH113
        raise DatasetError(f"{folder} {found}; point root= to a folder with {EXPECTED}")
    return ImageFolder(
        folder,
        layout=layout,
        group=group,
        min_per_class=min_per_class,
        limit=limit,
        pixels=PixelOptions(**pixels),
    )


def _unlistable(root: Location, error: OSError) -> str:
    if isinstance(root, RemotePath) and isinstance(error, FileNotFoundError | NotADirectoryError):
        return f"{root} {error}; point root= to a folder with {EXPECTED}"
    remedy = (
        "its permissions" if not isinstance(root, RemotePath) else "your credentials and the connection"
    )
    return f"{root} cannot be listed ({error}); check {remedy}"


def _ids(paths: Sequence[str], ignored: Ignored) -> dict[str, str]:
    """Return {id: path}. Of two paths that differ only in Unicode form the one in NFC is kept."""
    path_of: dict[str, str] = {}
    for path in sorted(paths, key=lambda path: (one_form(path) != path, path)):
        if path_of.setdefault(one_form(path), path) != path:
            ignored.add("files whose names differ from others only in Unicode form", path)
    return path_of


def _samples(
    folders: Sequence[ClassFolder], classes: Sequence[str], path_of: Mapping[str, str]
) -> list[Sample]:
    label_of = {name: label for label, name in enumerate(classes)}
    folder_of = {path: folder for folder in folders for path in folder.images}
    return [
        Sample(id=name, label=label_of[folder_of[path].name], split=folder_of[path].split)
        for name, path in sorted(path_of.items())
    ]


def _check_classes(classes: Sequence[str]) -> None:
    """Refuse a folder without images; the text continues a sentence that begins with the root."""
    if not classes:
        endings = ", ".join(IMAGE_ENDINGS)
        raise DatasetError(f"has class folders but no images; expected files ending in {endings}")


def _class_notes(folders: Sequence[ClassFolder], classes: Sequence[str]) -> list[str]:
    empty = {folder.name for folder in folders} - set(classes)
    found = notes.counted("ignored: class folders without images", empty)
    for split in sorted({folder.split for folder in folders if folder.split}):
        present = {folder.name for folder in folders if folder.split == split and folder.images}
        found += notes.counted(f"classes without images in {split}", set(classes) - present)
    return [*found, *notes.alike_classes(classes)]
