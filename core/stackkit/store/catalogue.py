"""List, check and clear the files of a feature store, for `stackkit features`."""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from stackkit.store.errors import DamagedFileError, NewerFormatError, OtherFileError
from stackkit.store.metadata import Contents, read_contents
from stackkit.store.reading import intact_rows, is_whole, written
from stackkit.store.recreate import TEMPORARY_FILES
from stackkit.utils.retention import Removal, select_unused

State = Literal["complete", "partial", "damaged", "newer format", "other", "unreadable"]

_FILE_NAME = re.compile(r".*-[0-9a-f]{12}\.h5")

_OLD_SIDECARS = "*.vouched"
"""Files that older versions of stackkit wrote beside features of third-party backbones; unused now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file of the store.

    Parameters
    ----------
    path : Path
        The file.
    state : str
        Its state, see `State`; "other" is an HDF5 file that stackkit did not write.
    contents : Contents or None
        Its metadata, None if it cannot be read.
    problem : str or None
        Why there is no metadata.
    stored : int
        Number of rows that have been written.
    size : int
        Size in bytes, of an index with that of its shards.
    used : float
        Time of last use, in seconds since 1970.

    """

    path: Path
    state: State
    contents: Contents | None
    problem: str | None
    stored: int
    size: int
    used: float

    @property
    def images(self) -> int:
        """Number of images that the file has a row for, written or not."""
        return self.contents.layout.count if self.contents else 0

    @property
    def shards(self) -> tuple[Path, ...]:
        """The files that an index joins; empty for a file with rows of its own."""
        return tuple(each.path for each in self.contents.shards) if self.contents else ()

    @property
    def removable(self) -> bool:
        """Whether stackkit may remove the file."""
        if self.state == "damaged":  # only its name shows whether stackkit wrote it
            return bool(_FILE_NAME.fullmatch(self.path.name))
        return self.contents is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowStates:
    """The row numbers of a file by state, each in ascending order.

    Parameters
    ----------
    intact, damaged : sequence of int
        Rows that match their checksum, and rows that do not.
    missing : sequence of int
        Rows that were never written although their image could be read.
    unread : sequence of int
        Rows of images that could not be read when the file was created.

    """

    intact: Sequence[int]
    damaged: Sequence[int]
    missing: Sequence[int]
    unread: Sequence[int]


def entries(folder: Path) -> list[Entry]:
    """Return every feature file of the store in `folder`, ordered by path.

    An index and the shards that it joins are one entry.
    """
    found = []
    for path in sorted(folder.glob("*/*.h5")):
        with suppress(FileNotFoundError):  # another process has removed it
            found.append(entry_at(path))
    joined = {path for entry in found for path in entry.shards}
    return [entry for entry in found if entry.path not in joined]


def entry_at(path: Path) -> Entry:
    """Return the entry for one file. Raises FileNotFoundError if there is none."""
    contents, state, problem = _examine(path)
    parts = contents.shards if contents else ()
    status = [each.stat() for each in (path, *(part.path for part in parts))]
    stored = 0
    if contents:
        # Rows are counted by their checksums alone, because reading all features of a large store
        # would take minutes. `row_states` checks them.
        stored = int(written(contents).sum())
        state = "complete" if is_whole(contents, stored) else "partial"
    return Entry(
        path=path,
        state=state,
        contents=contents,
        problem=problem,
        stored=stored,
        size=sum(each.st_size for each in status),
        used=max(each.st_mtime for each in status),
    )


def _examine(path: Path) -> tuple[Contents | None, State, str | None]:
    try:
        return read_contents(path), "partial", None
    except OtherFileError as error:  # before DamagedFileError, its base class
        return None, "other", str(error)
    except DamagedFileError as error:
        return None, "damaged", str(error)
    except NewerFormatError as error:
        return None, "newer format", str(error)
    except OSError as error:
        return None, "unreadable", str(error)


def row_states(contents: Contents) -> RowStates:
    """Check every row of the file with the metadata `contents`."""
    # The checksums first: a row that another process commits in between is then counted as intact, and
    # not as damaged.
    marked = written(contents)
    intact = [row for row, _ in intact_rows(contents)]
    damaged = set(np.flatnonzero(marked).tolist()).difference(intact)
    absent = np.flatnonzero(~marked).tolist()
    return RowStates(
        intact=intact,
        damaged=sorted(damaged),
        missing=[row for row in absent if contents.rows.fingerprints[row]],
        unread=[row for row in absent if not contents.rows.fingerprints[row]],
    )


def leftovers(folder: Path) -> list[Removal]:
    """Return files that can be removed: temporary files, and sidecar files of older versions.

    A temporary file may be in use: another process may be creating it now. `remove_idle` checks that.
    """
    found = []
    for pattern in (TEMPORARY_FILES, _OLD_SIDECARS):
        for path in sorted(folder.glob(f"*/{pattern}")):
            with suppress(FileNotFoundError):  # its process has renamed it
                found.append(Removal(path=path, size=path.stat().st_size, reason="left over"))
    return found


def to_remove(
    found: Sequence[Entry], now: float, *, older_than_s: float | None, keep_bytes: int | None
) -> list[Removal]:
    """Return the files to remove: damaged ones, unused ones, then the least recently used ones.

    Parameters
    ----------
    found : sequence of Entry
        All files of the store.
    now : float
        Current time in seconds since 1970.
    older_than_s : float or None
        Remove files that were not used for this long, in seconds.
    keep_bytes : int or None
        Remove the least recently used files until the others have at most this size together.

    """
    damaged = [entry for entry in found if entry.state == "damaged" and entry.removable]
    others = [entry for entry in found if entry not in damaged]
    chosen = select_unused(others, now, older_than_s=older_than_s, keep_bytes=keep_bytes)
    shards = {entry.path: entry.shards for entry in others}
    # An image that changed makes another shard and index; both indexes join the other shards.
    kept = {part for path in shards.keys() - {one.path for one in chosen} for part in shards[path]}
    return [
        *(Removal.of(entry, "damaged") for entry in damaged),
        *(part for one in chosen for part in _parts(one, shards[one.path], kept)),
    ]


def _parts(one: Removal, shards: Sequence[Path], kept: Set[Path]) -> list[Removal]:
    """Return the removals of an index, first of itself, and of its shards but those that are kept."""
    sizes = {path: path.stat().st_size for path in shards if path.exists()}
    own = replace(one, size=one.size - sum(sizes.values()))
    others = [(path, size) for path, size in sizes.items() if path not in kept]
    return [own, *(Removal(path=path, size=size, reason=one.reason) for path, size in others)]
