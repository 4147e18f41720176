"""What a store holds, file by file, for people who look after it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from stackkit.store.errors import DamagedFileError, NewerFormatError, OtherFileError
from stackkit.store.metadata import Contents, read_contents
from stackkit.store.rows import intact_rows, read_checksums
from stackkit.store.store import ASIDE
from stackkit.utils.retention import Removal, select_unused

State = Literal["complete", "partial", "damaged", "newer format", "other", "unreadable"]

_OUR_NAME = re.compile(r".*-[0-9a-f]{12}\.h5")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A file of the store; `problem` says why there are no contents, `used` is seconds since 1970."""

    path: Path
    state: State
    contents: Contents | None
    problem: str | None
    stored: int
    size: int
    used: float

    @property
    def images(self) -> int:
        """Images that the file has a row for, written or not."""
        return self.contents.places.count if self.contents else 0

    @property
    def removable(self) -> bool:
        """Whether the file is this stackkit's to remove."""
        if self.state == "damaged":  # nothing but its name tells whose it is
            return bool(_OUR_NAME.fullmatch(self.path.name))
        return self.contents is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowStates:
    """Numbers of the rows that are sound, disagree with their checksum, or were never written.

    `unread` rows are of images that could not be read when the file was made.
    """

    intact: Sequence[int]
    damaged: Sequence[int]
    missing: Sequence[int]
    unread: Sequence[int]


def entries(folder: Path) -> list[Entry]:
    """Every feature file of a store, by path."""
    found = []
    for path in sorted(folder.glob("*/*.h5")):
        with suppress(FileNotFoundError):  # another process has superseded it
            found.append(entry_at(path))
    return found


def entry_at(path: Path) -> Entry:
    """What one file is; raises FileNotFoundError if there is none."""
    status = path.stat()
    contents, state, problem = _examined(path)
    stored = 0
    if contents:
        with path.open("rb", buffering=0) as file:
            written = read_checksums(file, contents.places) != 0
        stored = int(written.sum())
        state = "complete" if stored >= contents.rows.n_readable else "partial"
    return Entry(
        path=path,
        state=state,
        contents=contents,
        problem=problem,
        stored=stored,
        size=status.st_size,
        used=status.st_mtime,
    )


def _examined(path: Path) -> tuple[Contents | None, State, str | None]:
    try:
        return read_contents(path), "partial", None
    except OtherFileError as error:
        return None, "other", str(error)
    except DamagedFileError as error:
        return None, "damaged", str(error)
    except NewerFormatError as error:
        return None, "newer format", str(error)
    except OSError as error:
        return None, "unreadable", str(error)


def row_states(path: Path, contents: Contents) -> RowStates:
    """Every row of a file, checked."""
    with path.open("rb", buffering=0) as file:
        written = read_checksums(file, contents.places) != 0
        intact = [row for row, _, _ in intact_rows(file, contents.places, contents.fingerprints)]
    damaged = set(np.flatnonzero(written).tolist()).difference(intact)
    absent = np.flatnonzero(~written).tolist()
    return RowStates(
        intact=intact,
        damaged=sorted(damaged),
        missing=[row for row in absent if contents.rows.fingerprints[row]],
        unread=[row for row in absent if not contents.rows.fingerprints[row]],
    )


def leftovers(folder: Path) -> list[Removal]:
    """Files that were being made when their process was killed, or are being made now."""
    found = []
    for path in sorted(folder.glob(f"*/{ASIDE}")):
        with suppress(FileNotFoundError):  # its process has finished it
            found.append(Removal(path=path, size=path.stat().st_size, reason="left over"))
    return found


def to_remove(
    found: Sequence[Entry], now: float, *, older_than_s: float | None, keep_bytes: int | None
) -> list[Removal]:
    """Damaged files, files unused for too long, then the longest unused until the rest fits.

    `now` is in seconds since 1970.
    """
    damaged = [entry for entry in found if entry.state == "damaged" and entry.removable]
    others = [entry for entry in found if entry not in damaged]
    return [
        *(Removal.of(entry, "damaged") for entry in damaged),
        *select_unused(others, now, older_than_s=older_than_s, keep_bytes=keep_bytes),
    ]
