"""Read a folder tree once, find the images, and record what was ignored and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from stackkit.api import IMAGE_ENDINGS, RAW_ENDINGS, is_housekeeping
from stackkit_plugins.image_folder.entries import Entry, LocalEntries, RemoteEntries
from stackkit_plugins.shared.image_lists.names import is_one_line, one_form
from stackkit_plugins.shared.image_lists.notes import counted
from stackkit_plugins.shared.storage.listed import Listed
from stackkit_plugins.shared.storage.listing import NAMELESS
from stackkit_plugins.shared.storage.remote_path import Location, RemotePath


@dataclass
class Ignored:
    """Paths that did not become samples, by reason."""

    paths: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, reason: str, path: str) -> None:
        """Record that `path` was ignored."""
        self.paths[reason].append(path)

    def notes(self) -> list[str]:
        """Return one line per reason, with up to three examples."""
        return [
            note
            for reason, paths in sorted(self.paths.items())
            for note in counted(f"ignored: {reason}", paths)
        ]


@dataclass
class Folder:
    """A folder and what it contains, without hidden and ignored entries.

    Attributes
    ----------
    path : str
        Relative to the root, as the file system spells it; "" for the root.
    folders : list of Folder
        The folders in it, sorted by name.
    images : list of str
        Relative paths of the image files in it, sorted.
    others : list of (str, str)
        Relative path of every other file in it, and why it is not an image.

    """

    path: str
    folders: list[Folder] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    others: list[tuple[str, str]] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The name of the folder in Unicode form NFC."""
        return one_form(PurePosixPath(self.path).name)

    def walk(self) -> Iterator[Folder]:
        """Yield this folder and all folders below it."""
        waiting = [self]
        while waiting:
            folder = waiting.pop()
            yield folder
            waiting += reversed(folder.folders)

    def has_images(self) -> bool:
        """Return whether an image is in this folder or below it."""
        return any(folder.images for folder in self.walk())


class Scan:
    """The folders and images below `root`; hidden names and housekeeping are ignored.

    Parameters
    ----------
    root : Path or RemotePath

    Attributes
    ----------
    tree : Folder
        The root and everything below it.
    ignored : Ignored
    remote : dict of RemotePath to Listed
        The images, as they were listed, if the root is a URL.

    Raises
    ------
    OSError
        If the root cannot be listed. A folder on disk below it that cannot be listed is ignored.

    """

    def __init__(self, root: Location) -> None:
        self.ignored = Ignored()
        self.remote: dict[RemotePath, Listed] = {}
        self._entries = (
            RemoteEntries(root, self.remote, lambda name: not _unfit_name(name))
            if isinstance(root, RemotePath)
            else LocalEntries(root)
        )
        self.tree = Folder("")
        # A loop instead of recursion: folders may be nested deeper than Python's calls.
        waiting = [self.tree]
        while waiting:
            folder = waiting.pop()
            self._list(folder)
            waiting += reversed(folder.folders)

    def _list(self, folder: Folder) -> None:
        try:
            entries = self._entries.of(folder.path)
        except OSError:
            if not folder.path:
                raise
            self.ignored.add("folders that cannot be read", folder.path)
            return
        for entry in entries:
            path = f"{folder.path}/{entry.name}".lstrip("/")
            if reason := _unfit_name(entry.name) or _unfit_link(entry):
                self.ignored.add(reason, path)
            elif entry.is_folder():
                folder.folders.append(Folder(path))
            elif reason := _no_image(entry):
                folder.others.append((path, reason))
            else:
                folder.images.append(path)
                entry.keep()


def _unfit_name(name: str) -> str:
    """Return why a file or folder of this name is ignored wherever it is, or ""."""
    if name == NAMELESS:
        return "folders without a name (two slashes in a row)"
    if name.startswith("."):
        return "hidden files and folders"
    if is_housekeeping(name):
        return "housekeeping of NAS, Windows or macOS"
    if not is_one_line(name):
        return "names that are not one line of UTF-8 text"
    return ""


def _unfit_link(entry: Entry) -> str:
    return "links to folders that are already included" if entry.is_link_to_included() else ""


def _no_image(entry: Entry) -> str:
    """Return why a file is not an image, or ""."""
    ending = PurePosixPath(entry.name).suffix.lower()
    if ending in RAW_ENDINGS:
        return "raw photographs (develop them and save them as JPEG or TIFF)"
    if ending not in IMAGE_ENDINGS:
        return "files without an image extension"
    return "" if entry.is_file() else "broken links and special files"
