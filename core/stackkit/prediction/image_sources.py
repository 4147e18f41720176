"""Find the image files that a user names: files, folders, patterns, and lists on standard input."""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stackkit.api.housekeeping import is_housekeeping
from stackkit.api.image_files import IMAGE_ENDINGS, RAW_ENDINGS

HIDDEN = "hidden files and folders"
HOUSEKEEPING = "housekeeping of NAS, Windows or macOS"
RAW = "raw photographs (develop them and save them as JPEG or TIFF)"
NO_IMAGE = "files without an image extension"
SPECIAL = "broken links and special files"
LINKS = "links to folders that are already included"
UNREADABLE = "folders that cannot be read"
TWICE = "files that are named twice"
_SEPARATORS = re.escape(os.sep + (os.altsep or ""))
_ANY_DEPTH = re.compile(rf"(^|[{_SEPARATORS}])\*\*([{_SEPARATORS}]|$)")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")

OUTPUT = "files in the folder that receives the sorted images"


@dataclass(frozen=True, kw_only=True)
class ImageSources:
    """The files to label.

    Parameters
    ----------
    paths : list of str
        The files, each once, in the order of the arguments; those of a folder sorted by name. They are
        spelled as the user spelled them, so that the names of results match.
    left_out : Counter of str
        How many files or folders below the named folders were left out, by reason.

    """

    paths: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def find_images(named: Iterable[str], *, without: Path | None = None) -> ImageSources:
    """Find the files that paths and patterns name.

    Parameters
    ----------
    named : iterable of str
        Files, folders, and patterns such as ``photos/**/*.jpg`` where nothing has that very name. A file
        is taken whatever its ending; so is a name that does not exist, which then cannot be read. Of
        folders all images at any depth are taken, without hidden files and those that systems leave.
    without : Path or None
        A folder to leave out, if it is below one that is named, or a pattern matches what is in it.

    Returns
    -------
    ImageSources
        Nothing is read but names.

    """
    found, known = ImageSources(), set[str]()
    walk = _Walk(found.left_out, os.path.realpath(without) if without else None)
    for name in named:
        for path in _expanded(name):
            if path != name and walk.is_output(path):
                found.left_out[OUTPUT] += 1
                continue
            for each in walk.files(path) if _is_folder(path) else (path,):
                absolute = os.path.abspath(each)  # noqa: PTH100 - of 100,000 paths, ten times as fast
                if absolute in known:
                    found.left_out[TWICE] += 1
                    continue
                known.add(absolute)
                found.paths.append(each)
    return found


def listed(content: bytes, *, by_nul: bool) -> list[str]:
    """Return the paths in a list: one per line, or with a NUL after each, as `find -print0` writes."""
    separator = b"\0" if by_nul else b"\n"
    parts = (part if by_nul else part.removesuffix(b"\r") for part in content.split(separator))
    return [os.fsdecode(part) for part in parts if part]


def shown(path: str) -> str:
    r"""Return a path as valid text of one line: other bytes and control characters become ``\x..``."""
    if path.isprintable() and path.isascii():
        return path
    text = path.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def missing_reason(path: str) -> str | None:
    """Return what to say of a missing file that is a URL or could be a pattern, or None."""
    if os.path.lexists(path):
        return None
    if _URL.match(path):
        return "only files on this machine can be labelled, no URLs; download it first"
    if not glob.has_magic(path):
        return None
    return "no file has this name, and none matches it as a pattern"


def _expanded(name: str) -> Iterable[str]:
    """Return what a pattern matches, sorted. Names that exist or match nothing stand for themselves."""
    if os.path.lexists(name) or not glob.has_magic(name):
        return [name]
    return sorted(set(_matches(name))) or [name]


def _matches(pattern: str) -> Iterator[str]:
    """Yield what a pattern matches, where ``**`` stands for each folder that a walk would enter.

    The one of `glob` follows every link: two links to a folder above make millions of paths.
    """
    stars = _ANY_DEPTH.search(pattern)
    if not stars:
        yield from glob.iglob(pattern)  # noqa: PTH207 - keeps the spelling
        return
    head, rest = pattern[: stars.start()] + stars[1], pattern[stars.end() :]
    for top in glob.iglob(head) if glob.has_magic(head) else [head]:  # noqa: PTH207
        if not rest:
            yield top or "."
            continue
        for folder, _ in _Walk(Counter(), None).folders(top or "."):
            start = folder if top else folder.removeprefix(".").removeprefix(os.sep)
            yield from _matches(os.path.join(glob.escape(start), rest))  # noqa: PTH118


class _Walk:
    """Lists folders; each is entered once, however many links lead to it."""

    def __init__(self, left_out: Counter[str], without: str | None) -> None:
        self._left_out = left_out
        self._without = without
        self._entered = set[str]()

    def is_output(self, path: str) -> bool:
        """Return whether a path is in the folder to leave out."""
        return self._without is not None and Path(os.path.realpath(path)).is_relative_to(self._without)

    def files(self, root: str) -> Iterator[str]:
        """Yield the images in a folder, at any depth: its files first, then its folders, by name."""
        for _, files in self.folders(root):
            yield from files

    def folders(self, root: str) -> Iterator[tuple[str, list[str]]]:
        """Yield a folder and those at any depth in it, each with its images."""
        top, waiting = os.path.realpath(root), [root]
        # A loop instead of recursion: folders may be nested deeper than Python's calls.
        while waiting:
            folder = waiting.pop()
            real = os.path.realpath(folder)
            if real == self._without:
                self._left_out[OUTPUT] += 1
                continue
            # A link to a folder above would lead to everything that is beside the named folder.
            is_above = folder != root and Path(top).is_relative_to(real)
            if real in self._entered or is_above:
                self._left_out[LINKS] += 1
                continue
            self._entered.add(real)
            files, folders = self._list(folder)
            yield folder, files
            waiting += reversed(folders)

    def _list(self, folder: str) -> tuple[list[str], list[str]]:
        """Return the images and the folders in a folder, sorted by name."""
        try:
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError:
            self._left_out[UNREADABLE] += 1
            return [], []
        files, folders = [], []
        for entry in entries:
            if reason := _unfit(entry):
                self._left_out[reason] += 1
            elif _is_folder(entry.path):
                folders.append(entry.path)
            elif reason := _no_image(entry):
                self._left_out[reason] += 1
            else:
                files.append(entry.path)
        return files, folders


def _unfit(entry: os.DirEntry[str]) -> str:
    if entry.name.startswith("."):
        return HIDDEN
    return HOUSEKEEPING if is_housekeeping(entry.name) else ""


def _no_image(entry: os.DirEntry[str]) -> str:
    """Return why a file is not an image, or ""."""
    ending = os.path.splitext(entry.name)[1].lower()  # noqa: PTH122 - once for every file
    if ending in RAW_ENDINGS:
        return RAW
    if ending not in IMAGE_ENDINGS:
        return NO_IMAGE
    # Path.is_file raises on links to themselves.
    return "" if os.path.isfile(entry.path) else SPECIAL  # noqa: PTH113


def _is_folder(path: str) -> bool:
    return os.path.isdir(path)  # noqa: PTH112 - Path.is_dir raises on links to themselves


def left_out_lines(left_out: Counter[str]) -> Sequence[str]:
    """Return a line per reason why files were left out, with their number."""
    return [f"left out: {reason}: {count:,}" for reason, count in sorted(left_out.items())]
