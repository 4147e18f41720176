"""Walk a folder tree once, find the images, and record what was ignored and why."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

_NAMES = "bmp dib gif jfif jpe jpeg jpg pbm pgm png pnm ppm tga tif tiff webp"
ENDINGS = frozenset(f".{name}" for name in _NAMES.split())
"""Formats that every build of Pillow can read; compared in lower case."""


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
            f"ignored: {reason}: {len(paths)} ({examples(paths)})"
            for reason, paths in sorted(self.paths.items())
        ]


class Scan:
    """The folders and images below a root, in sorted order; hidden names are ignored."""

    def __init__(self, root: Path) -> None:
        self.ignored = Ignored()
        self._root = root
        self._real_root = Path(os.path.realpath(root))
        self._linked: set[Path] = set()

    def folders(self, path: str = "") -> list[str]:
        """Return the names of the subfolders of `path`; files beside them are ignored."""
        names = []
        for entry in self._entries(path):
            if _is_folder(entry):
                names.append(entry.name)
            else:
                self.ignored.add("files outside any class folder", self._relative(entry))
        return names

    def images(self, path: str) -> Iterator[str]:
        """Yield the image files at any depth below the folder `path`, relative to the root."""
        for entry in self._entries(path):
            relative = self._relative(entry)
            if _is_folder(entry):
                yield from self.images(relative)
            elif Path(entry.name).suffix.lower() not in ENDINGS:
                self.ignored.add("files without an image extension", relative)
            elif not os.path.isfile(entry.path):  # noqa: PTH113 - Path.is_file raises on link loops
                self.ignored.add("broken links and special files", relative)
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
            reason = "names that are not one line of UTF-8 text"
        elif entry.is_symlink() and _is_folder(entry) and not self._may_follow(entry):
            reason = "links to folders that are already included"
        if reason:
            self.ignored.add(reason, self._relative(entry))
        return not reason

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

    def _relative(self, entry: os.DirEntry[str]) -> str:
        return Path(entry.path).relative_to(self._root).as_posix()


def examples(names: Iterable[str]) -> str:
    """Return up to three of the names after "for example"."""
    return f"for example {', '.join(_printable(name) for name in sorted(names)[:3])}"


def _printable(name: str) -> str:
    return name if _is_text(name) else name.encode("unicode_escape").decode()


def _is_text(name: str) -> bool:
    # Python represents undecodable bytes as surrogates, which reports and feature files cannot store.
    return not any(ord(c) < 32 or ord(c) == 127 or "\ud800" <= c <= "\udfff" for c in name)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    # DirEntry.is_dir raises on a link to itself; os.path.isdir does not.
    return entry.is_dir(follow_symlinks=False) or os.path.isdir(entry.path)  # noqa: PTH112
