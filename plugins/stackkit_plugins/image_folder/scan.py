"""Walk a folder of images once: which files are images, and what was left out."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

_NAMES = "bmp dib gif jfif jpe jpeg jpg pbm pgm png pnm ppm tga tif tiff webp"
ENDINGS = frozenset(f".{name}" for name in _NAMES.split())
"""What every Pillow reads; compared in lower case."""


@dataclass
class LeftOut:
    """Paths that did not become samples, by the reason."""

    paths: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, reason: str, path: str) -> None:
        """Remember that `path` was left out."""
        self.paths[reason].append(path)

    def notes(self) -> list[str]:
        """One line per reason, with up to three examples."""
        return [
            f"left out, {reason}: {len(paths)} ({examples(paths)})"
            for reason, paths in sorted(self.paths.items())
        ]


class Scan:
    """The folders and images below a root, in sorted order; hidden names never count."""

    def __init__(self, root: Path) -> None:
        self.left_out = LeftOut()
        self._root = root
        self._real_root = Path(os.path.realpath(root))
        self._linked: set[Path] = set()

    def folders(self, path: str = "") -> list[str]:
        """Names of the subfolders of `path`; files lying beside them are left out."""
        names = []
        for entry in self._entries(path):
            if _is_folder(entry):
                names.append(entry.name)
            else:
                self.left_out.add("files outside any class folder", self._relative(entry))
        return names

    def images(self, path: str) -> Iterator[str]:
        """Image files at any depth below the folder `path`, relative to the root."""
        for entry in self._entries(path):
            relative = self._relative(entry)
            if _is_folder(entry):
                yield from self.images(relative)
            elif Path(entry.name).suffix.lower() not in ENDINGS:
                self.left_out.add("files with no image ending", relative)
            elif not os.path.isfile(entry.path):  # noqa: PTH113 - Path.is_file raises on link loops
                self.left_out.add("broken links and special files", relative)
            else:
                yield relative

    def _entries(self, path: str) -> list[os.DirEntry[str]]:
        with os.scandir(self._root / path) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        return [entry for entry in entries if self._counts(entry)]

    def _counts(self, entry: os.DirEntry[str]) -> bool:
        reason = ""
        if entry.name.startswith("."):
            reason = "hidden files and folders"
        elif not _is_text(entry.name):
            reason = "names that are not UTF-8 text in one line"
        elif entry.is_symlink() and _is_folder(entry) and not self._may_follow(entry):
            reason = "links to folders that are read already"
        if reason:
            self.left_out.add(reason, self._relative(entry))
        return not reason

    def _may_follow(self, link: os.DirEntry[str]) -> bool:
        """Only links out of the root, each target once: no loop, and no image under two classes."""
        target = Path(os.path.realpath(link.path))
        known = {self._real_root, *self._linked}
        if any(target.is_relative_to(folder) or folder.is_relative_to(target) for folder in known):
            return False
        self._linked.add(target)
        return True

    def _relative(self, entry: os.DirEntry[str]) -> str:
        return Path(entry.path).relative_to(self._root).as_posix()


def examples(names: Iterable[str]) -> str:
    """Up to three of the names, after "such as"."""
    return f"such as {', '.join(_printable(name) for name in sorted(names)[:3])}"


def _printable(name: str) -> str:
    return name if _is_text(name) else name.encode("unicode_escape").decode()


def _is_text(name: str) -> bool:
    # Undecodable bytes arrive as surrogates, which no report or feature file can hold.
    return not any(ord(c) < 32 or ord(c) == 127 or "\ud800" <= c <= "\udfff" for c in name)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    # DirEntry.is_dir raises on a link to itself; os.path.isdir does not.
    return entry.is_dir(follow_symlinks=False) or os.path.isdir(entry.path)  # noqa: PTH112
