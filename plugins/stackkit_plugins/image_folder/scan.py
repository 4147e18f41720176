"""Read a folder tree once, find the images, and record what was ignored and why."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from stackkit.api import IMAGE_ENDINGS, RAW_ENDINGS, is_housekeeping
from stackkit_plugins.shared.image_lists.names import is_one_line, one_form
from stackkit_plugins.shared.image_lists.notes import counted


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
    root : Path

    Attributes
    ----------
    tree : Folder
        The root and everything below it.
    ignored : Ignored

    Raises
    ------
    OSError
        If the root cannot be listed. A folder below it that cannot be listed is ignored.

    """

    def __init__(self, root: Path) -> None:
        self.ignored = Ignored()
        self._root = root
        self._real_root = Path(os.path.realpath(root))
        self._linked: set[Path] = set()
        self.tree = Folder("")
        # A loop instead of recursion: folders may be nested deeper than Python's calls.
        waiting = [self.tree]
        while waiting:
            folder = waiting.pop()
            self._list(folder)
            waiting += reversed(folder.folders)

    def _list(self, folder: Folder) -> None:
        try:
            with os.scandir(self._root / folder.path) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError:
            if not folder.path:
                raise
            self.ignored.add("folders that cannot be read", folder.path)
            return
        for entry in entries:
            path = f"{folder.path}/{entry.name}".lstrip("/")
            if reason := self._unfit(entry):
                self.ignored.add(reason, path)
            elif _is_folder(entry):
                folder.folders.append(Folder(path))
            elif reason := _no_image(entry):
                folder.others.append((path, reason))
            else:
                folder.images.append(path)

    def _unfit(self, entry: os.DirEntry[str]) -> str:
        """Return why a file or folder is ignored wherever it is, or ""."""
        if entry.name.startswith("."):
            return "hidden files and folders"
        if is_housekeeping(entry.name):
            return "housekeeping of NAS, Windows or macOS"
        if not is_one_line(entry.name):
            return "names that are not one line of UTF-8 text"
        if entry.is_symlink() and _is_folder(entry) and not self._may_follow(entry):
            return "links to folders that are already included"
        return ""

    def _may_follow(self, link: os.DirEntry[str]) -> bool:
        """Return whether to follow a link: only out of the root, and each target once.

        Otherwise a loop would never end, and an image could be in two classes.
        """
        target = Path(os.path.realpath(link.path))
        known = {self._real_root, *self._linked}
        if any(target.is_relative_to(folder) or folder.is_relative_to(target) for folder in known):
            return False
        self._linked.add(target)
        return True


def _no_image(entry: os.DirEntry[str]) -> str:
    """Return why a file is not an image, or ""."""
    ending = Path(entry.name).suffix.lower()
    if ending in RAW_ENDINGS:
        return "raw photographs (develop them and save them as JPEG or TIFF)"
    if ending not in IMAGE_ENDINGS:
        return "files without an image extension"
    if not os.path.isfile(entry.path):  # noqa: PTH113 - Path.is_file raises on link loops
        return "broken links and special files"
    return ""


def _is_folder(entry: os.DirEntry[str]) -> bool:
    # DirEntry.is_dir raises on a link to itself; os.path.isdir does not.
    return entry.is_dir(follow_symlinks=False) or os.path.isdir(entry.path)  # noqa: PTH112
