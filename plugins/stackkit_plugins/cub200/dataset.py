"""The dataset object: CUB-200-2011 in its official layout, read from disk and never downloaded."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from stackkit.api import DatasetError, datasets_dir, file_fingerprint, limit_per_class, read_image
from stackkit_plugins.cub200.metadata import compare_with_disk, read_metadata

if TYPE_CHECKING:
    from PIL import Image

FOLDER = "CUB_200_2011"

_OVERLAP = (
    "CUB-200-2011's authors warn that its images overlap with ImageNet, on which backbones are "
    "usually trained: some test images may not be new to them"
)


class Cub200:
    """The images that images.txt lists, in its order; ids are its paths."""

    def __init__(self, root: Path, *, limit: int | None = None) -> None:
        metadata = read_metadata(root)
        missing, unlisted = compare_with_disk(root, metadata.samples)
        if len(missing) == len(metadata.samples):
            raise DatasetError(
                f"{root / 'images'} holds none of the {len(missing)} images that images.txt lists, such "
                f"as {missing[0]}; unpack the dataset afresh"
            )
        self.root = root
        self.classes = metadata.classes
        self.samples = tuple(limit_per_class(metadata.samples, limit))
        self.missing = tuple(missing)
        empty = set(metadata.classes) - {metadata.classes[sample.label] for sample in self.samples}
        self.notes = (
            _OVERLAP,
            *_note(missing, "listed images that are missing or empty on disk"),
            *_note(unlisted, "left out, files below images/ that images.txt does not list"),
            *_note(sorted(empty), "classes without an image"),
        )

    def image(self, i: int) -> Image.Image:
        """Photograph i, RGB; raises ImageError."""
        return read_image(self._path(i))

    def fingerprint(self, i: int) -> str:
        """Fingerprint of photograph i's file; raises OSError."""
        return file_fingerprint(self._path(i))

    def _path(self, i: int) -> Path:
        return self.root / "images" / self.samples[i].id


def cub200(*, root: str | None, limit: int | None, url: str, md5: str) -> Cub200:
    """Read the dataset below `root`, or where `fetch` put it; `url` and `md5` are fetch's."""
    if missing := unavailable_reason(root=root):
        raise DatasetError(missing)
    return Cub200(locate(root), limit=limit)


def unavailable_reason(*, root: str | None, **others: object) -> str | None:
    """What to do before the dataset can be read, or None; a given `root` is read to find out more."""
    del others
    folder = locate(root)
    if root is not None or os.path.exists(folder):  # noqa: PTH110
        return None
    return (
        f"CUB-200-2011 is not in {folder}; run `stackkit fetch --dataset cub200` (1.1 GB) or give "
        "root=, the unpacked CUB_200_2011 folder"
    )


def locate(root: str | None) -> Path:
    """The dataset's folder: `root`, the CUB_200_2011 in it, or by default the managed one."""
    if root is None:
        return datasets_dir() / FOLDER
    given = Path(root).expanduser().absolute()
    # os.path, since Path.exists raises where a folder may not be read; reading will say so later.
    if not os.path.exists(given / "images.txt") and os.path.isdir(given / FOLDER):  # noqa: PTH110, PTH112
        return given / FOLDER
    return given


def _note(names: list[str], what: str) -> list[str]:
    return [f"{what}: {len(names)} (such as {names[0]})"] if names else []
