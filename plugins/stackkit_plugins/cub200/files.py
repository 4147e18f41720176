"""Find the image files of CUB-200-2011, and compare them with what images.txt lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stackkit.api import DatasetError, Sample
from stackkit_plugins.shared.storage.listed import Listed
from stackkit_plugins.shared.storage.listing import tree
from stackkit_plugins.shared.storage.remote_path import Location, RemotePath


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The files below images/ compared with images.txt.

    Attributes
    ----------
    missing : tuple of str
        Ids of listed images that are missing or empty, in the order of images.txt.
    unlisted : tuple of str
        Paths below images/ that images.txt does not list, sorted.
    remote : dict of RemotePath to Listed
        The files, as object storage lists them.

    """

    missing: tuple[str, ...]
    unlisted: tuple[str, ...]
    remote: dict[RemotePath, Listed]


def compare(root: Location, samples: Sequence[Sample]) -> Files:
    """Compare the listed images with the files below images/; raises DatasetError without any."""
    folder = root / "images"
    remote: dict[RemotePath, Listed] = {}
    try:
        if isinstance(folder, RemotePath):
            sizes, remote = _sizes_of_objects(folder)
        elif not folder.is_dir():
            raise FileNotFoundError(folder)
        else:
            sizes = _sizes(folder)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise DatasetError(
            f"{root} has no images folder; point root= at the unpacked CUB_200_2011 folder"
        ) from error
    except OSError as error:
        raise DatasetError(f"{folder} cannot be listed: {error}; check its permissions") from error
    listed = {sample.id for sample in samples}
    return Files(
        missing=tuple(sample.id for sample in samples if not sizes.get(sample.id)),
        unlisted=tuple(sorted(sizes.keys() - listed)),
        remote=remote,
    )


def _sizes(folder: Path) -> dict[str, int]:
    return {
        f"{species.name}/{file.name}": file.stat().st_size
        for species in folder.iterdir()
        if species.is_dir()
        for file in species.iterdir()
        if file.is_file() and not file.name.startswith(".")
    }


def _sizes_of_objects(folder: RemotePath) -> tuple[dict[str, int], dict[RemotePath, Listed]]:
    found = {
        f"{species}/{entry.name}": entry.file
        for species, entries in tree(folder, lambda path: "/" not in path).items()
        for entry in entries
        if species and entry.file is not None and not entry.name.startswith(".")
    }
    sizes = {name: file.size for name, file in found.items()}
    return sizes, {folder / name: file for name, file in found.items()}
