"""List the folders of a tree, on disk with its links or in object storage."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Protocol

from stackkit_plugins.shared.storage import listing
from stackkit_plugins.shared.storage.listed import Listed
from stackkit_plugins.shared.storage.remote_path import RemotePath


class Entry(Protocol):
    """A file or folder."""

    @property
    def name(self) -> str:
        """Its name, without folders."""

    def is_folder(self) -> bool:
        """Return whether it is a folder, or a link to one."""

    def is_file(self) -> bool:
        """Return whether it is a regular file, or a link to one."""

    def is_link_to_included(self) -> bool:
        """Return whether it links to a folder that is already included."""

    def keep(self) -> None:
        """Note that it is an image of the dataset."""


class LocalEntries:
    """The entries of folders on disk.

    Parameters
    ----------
    root : Path

    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._real_root = Path(os.path.realpath(root))
        self._linked: set[Path] = set()

    def of(self, folder: str) -> Sequence[Entry]:
        """Return the entries of a folder below the root, sorted by name; raises OSError."""
        with os.scandir(self._root / folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        return [_LocalEntry(entry, self) for entry in entries]

    def may_follow(self, link: os.DirEntry[str]) -> bool:
        """Return whether to follow a link: only out of the root, and each target once.

        Otherwise a loop would never end, and an image could be in two classes.
        """
        target = Path(os.path.realpath(link.path))
        known = {self._real_root, *self._linked}
        if any(target.is_relative_to(folder) or folder.is_relative_to(target) for folder in known):
            return False
        self._linked.add(target)
        return True


class _LocalEntry:
    def __init__(self, entry: os.DirEntry[str], entries: LocalEntries) -> None:
        self.name = entry.name
        self._entry = entry
        self._entries = entries

    def is_folder(self) -> bool:
        # DirEntry.is_dir raises on a link to itself; os.path.isdir does not.
        return self._entry.is_dir(follow_symlinks=False) or os.path.isdir(self._entry.path)  # noqa: PTH112

    def is_file(self) -> bool:
        return os.path.isfile(self._entry.path)  # noqa: PTH113 - Path.is_file raises on link loops

    def is_link_to_included(self) -> bool:
        entry = self._entry
        return entry.is_symlink() and self.is_folder() and not self._entries.may_follow(entry)

    def keep(self) -> None:
        """Do nothing: a file on disk is looked at when it is read."""


class RemoteEntries:
    """The entries of folders in object storage, which are listed once.

    Parameters
    ----------
    root : RemotePath
    kept : dict of RemotePath to Listed
        Receives the images of the dataset.
    fits : callable
        Takes the name of a folder; says whether to list it.

    Raises
    ------
    OSError
        As `listing.tree`.

    """

    def __init__(
        self, root: RemotePath, kept: dict[RemotePath, Listed], fits: Callable[[str], bool]
    ) -> None:
        self._root = root
        self._kept = kept
        self._tree = listing.tree(root, lambda folder: fits(PurePosixPath(folder).name))

    def of(self, folder: str) -> Sequence[Entry]:
        """Return the entries of a folder below the root, sorted by name."""
        found = self._tree.pop(folder)
        return [_RemoteEntry(entry, self._root / folder, self._kept) for entry in found]


class _RemoteEntry:
    def __init__(self, entry: listing.Entry, folder: RemotePath, kept: dict[RemotePath, Listed]) -> None:
        self.name = entry.name
        self._file = entry.file
        self._folder = folder
        self._kept = kept

    def is_folder(self) -> bool:
        return self._file is None

    def is_file(self) -> bool:
        return self._file is not None

    def is_link_to_included(self) -> bool:
        return False

    def keep(self) -> None:
        if self._file is not None:
            self._kept[self._folder / self.name] = self._file
