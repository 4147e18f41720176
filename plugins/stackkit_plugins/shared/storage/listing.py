"""List what is in object storage: a whole tree of folders, or the objects that a table names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from stackkit_plugins.shared.storage.filesystems import reached
from stackkit_plugins.shared.storage.listed import Listed, listed
from stackkit_plugins.shared.storage.remote_path import RemotePath

T = TypeVar("T")
R = TypeVar("R")

_AT_ONCE = 16
"""Requests at the same time: a listing waits for the network, not for processors."""

_FEW = 3
"""With fewer named objects in a folder each is asked for, since the folder may have millions."""


NAMELESS = "//"
"""The name of a folder that has none, as that of "photos//heron.jpg" in "photos"."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A folder, or a file with what the listing says about it."""

    name: str
    file: Listed | None

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.file is None


def tree(root: RemotePath, descend: Callable[[str], bool]) -> dict[str, list[Entry]]:
    """Return the entries of a folder and of the folders below it, sorted by name.

    Parameters
    ----------
    root : RemotePath
        The folder.
    descend : callable
        Takes the path of a folder relative to `root`; says whether to list it, too.

    Returns
    -------
    dict of str to list of Entry
        By the path of a folder relative to `root`; "" is `root`.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If the root does not exist or is an object.
    StorageError
        If a folder cannot be listed. A class without its images would change figures silently.

    """
    found: dict[str, list[Entry]] = {}
    level = [""]
    with _threads() as each:
        while level:
            now = dict(each(lambda path: _entries(root / path), level))
            found |= now
            level = [path for path in _folders(now) if descend(path)]
    return found


def find(places: Iterable[RemotePath]) -> dict[RemotePath, Listed]:
    """Return those of the places that are objects; raises StorageError if that is not known."""
    folders: dict[RemotePath, list[RemotePath]] = defaultdict(list)
    for place in places:
        folders[place.parent].append(place)
    with _threads() as each:
        return {
            place: entry
            for _, entries in each(lambda item: _named(*item), list(folders.items()))
            for place, entry in entries
        }


def _named(folder: RemotePath, places: Sequence[RemotePath]) -> list[tuple[RemotePath, Listed]]:
    if len(places) < _FEW or folder.root.startswith("http"):  # web servers list no folders
        return [(place, listed(info)) for place in places if (info := _info(place))]
    try:
        entries = {entry.name: entry.file for entry in _entries(folder)}
    except (FileNotFoundError, NotADirectoryError):
        return []
    found = ((place, entries.get(place.name)) for place in places)
    return [(place, entry) for place, entry in found if entry is not None]


def _info(place: RemotePath) -> dict[str, object] | None:
    try:
        info = place.info()
    except FileNotFoundError:
        return None
    return info if info.get("type") != "directory" else None


def _entries(folder: RemotePath) -> list[Entry]:
    with reached():
        files, path = folder.open()
        infos = files.ls(path, detail=True)
    found = {}
    start = f"{path.rstrip('/')}/"
    for info in infos:
        is_file = info["type"] != "directory"  # links of file systems that have them are files
        if is_file and info["name"] == path:
            raise NotADirectoryError("is a file")
        name = info["name"].removeprefix(start).rstrip("/")
        if not is_file and not name and info["name"] == start:
            found[NAMELESS, False] = Entry(NAMELESS, None)
        # Consoles of clouds mark folders by an empty object, whose name ends with "/".
        if name and name != path and "/" not in name and not (is_file and info["name"].endswith("/")):
            # A folder and an object may have the same name; images are objects.
            found[name, is_file] = Entry(name, listed(info) if is_file else None)
    return [found[key] for key in sorted(found)]


def _folders(found: Mapping[str, Sequence[Entry]]) -> Iterator[str]:
    for folder, entries in found.items():
        named = (entry.name for entry in entries if entry.is_folder and entry.name != NAMELESS)
        yield from (f"{folder}/{name}".lstrip("/") for name in named)


@contextmanager
def _threads() -> Iterator[Callable[[Callable[[T], R], Sequence[T]], Iterator[tuple[T, R]]]]:
    """Yield a function that calls another one on threads; the first error cancels what has not begun."""
    pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="stackkit-list")
    try:
        yield lambda work, items: zip(items, pool.map(work, items), strict=True)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
