"""Read, check and write the rows of a feature file, or of several that are joined."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stackkit.api.errors import StoreError
from stackkit.store.errors import storage_errors
from stackkit.store.joined_rows import JoinedRows
from stackkit.store.locks import lock
from stackkit.store.metadata import Contents
from stackkit.store.rows import (
    RowLayout,
    Stored,
    checksum,
    intact_in,
    read_rows,
    runs,
    write_rows,
)
from stackkit.store.shards import Shard, listed


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A file with rows from `start`, and the same file open."""

    path: Path
    start: int
    layout: RowLayout
    file: FileIO
    shard: Shard | None

    def place(self, rows: Sequence[int]) -> slice:
        """Return the positions of those of these rows, in ascending order, that are in this file."""
        return slice(bisect_left(rows, self.start), bisect_left(rows, self.start + self.layout.count))


class FeatureFile(AbstractContextManager["FeatureFile"]):
    """The features of one dataset for one backbone setting, read and written by rows.

    Rows are read and written as plain bytes, without the HDF5 library: that changes its own tables while
    a file is open for writing, and would leave them changed if the process is killed.

    Parameters
    ----------
    path : Path
        The feature file, or an index of files that are read and written as if they were one.
    contents : Contents
        Its metadata, from `read_contents(path)`.
    writable : bool
        Open the file for writing, and lock it until it is closed.

    Raises
    ------
    BlockingIOError
        If `writable` and another process has the file open for writing.

    """

    def __init__(self, path: Path, contents: Contents, *, writable: bool) -> None:
        self.path = path
        self.contents = contents
        self._dtype = contents.layout.stored_dtype
        with ExitStack() as files:  # all or none: no `with` block closes them if the constructor fails
            self._parts = _open_parts(contents, files, writable=writable)
            self._files = files.pop_all()

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and release its lock. Everything written has been committed already."""
        self._files.close()

    def pending(self) -> list[int]:
        """Return the rows that are missing or damaged although their image can be read, in order."""
        left = ~self.intact()
        fingerprints = self.contents.fingerprints
        return [row for row in np.flatnonzero(left).tolist() if fingerprints[row]]

    def intact(self) -> NDArray[np.bool_]:
        """Return (n,) whether each row is stored and matches its checksum."""
        intact = np.zeros(self.contents.layout.count, dtype=bool)
        for part in self._parts:
            own = self.contents.fingerprints[part.start : part.start + part.layout.count]
            with storage_errors(part.path):
                for start, stop in part.layout.blocks():
                    block = read_rows(part.file, part.layout, start, stop)
                    found = list(intact_in(*block, own, start))
                    intact[np.array(found, dtype=np.int64) + part.start] = True
        return intact

    def shards_with(self, rows: Sequence[int]) -> str:
        """Return the shards with any of these rows, in ascending order, as text; "" for plain files."""
        have = [part.shard for part in self._parts if part.shard and len(rows[part.place(rows)])]
        return listed(have) if have else ""

    def write(self, rows: Sequence[int], features: NDArray[np.float32]) -> None:
        """Commit rows: after this method returns they survive a power failure.

        Parameters
        ----------
        rows : sequence of int
            k row numbers, in ascending order.
        features : ndarray of shape (k, d), float32
            Their features.

        Raises
        ------
        StoreError
            If the disk fails, the file was replaced, or a value is out of range for the store's dtype.

        """
        # Checksums cover the bytes in the file, so conversion to the stored dtype comes first.
        stored = self._converted(rows, features)
        fingerprints = self.contents.fingerprints
        checksums = [checksum(fingerprints[i], row) for i, row in zip(rows, stored, strict=True)]
        for part in self._parts:
            place = part.place(rows)
            if place.start < place.stop:
                inside = [row - part.start for row in rows[place]]
                with storage_errors(part.path):
                    _write(part, inside, checksums[place], stored[place])

    def read(self) -> NDArray[np.float32]:
        """Return all features, (n, d) float32. Rows that were never written are 0, see `intact`."""
        layout = self.contents.layout
        features = np.empty((layout.count, layout.width), dtype=np.float32)
        for part in self._parts:
            with storage_errors(part.path):
                for start, stop in part.layout.blocks():
                    rows = read_rows(part.file, part.layout, start, stop)[1]
                    features[part.start + start : part.start + stop] = rows
        return features

    def view(self) -> NDArray[np.float32] | JoinedRows:
        """Return all features, (n, d) float32, as a read-only memory map where that is possible.

        A memory map reads only the rows that are used, when they are used, and stays valid after the
        file is closed. Joined files are joined maps. Features of another dtype in a file of their own,
        and files that are cut short, are read as by `read`.
        """
        with suppress(ValueError):  # a file is shorter than its array
            if len(self._parts) > 1:
                return JoinedRows([_mapped(part, self._dtype) for part in self._parts])
            if self.contents.layout.dtype == "float32":
                mapped: NDArray[np.float32] = _mapped(self._parts[0], np.dtype("<f4"))
                return mapped
        return self.read()

    def _converted(self, rows: Sequence[int], features: NDArray[np.float32]) -> Stored:
        with np.errstate(over="ignore"):  # float16 overflows to inf, which is reported below
            stored: Stored = features.astype(self._dtype)
        if not np.isfinite(stored).all():
            place, column = np.argwhere(~np.isfinite(stored))[0]
            raise StoreError(
                f"{self.contents.rows.samples[rows[place]].id} has a feature value of "
                f"{features[place, column]:g}, which is out of range for {self.contents.layout.dtype}; "
                "use --feature-dtype float32"
            )
        return stored


def _open_parts(contents: Contents, files: ExitStack, *, writable: bool) -> list[_Part]:
    parts, start = [], 0
    for one in contents.with_rows:
        # Unbuffered, so that a write reaches the operating system at once and a kill loses none.
        file = files.enter_context(one.path.open("r+b" if writable else "rb", buffering=0))
        if writable:
            lock(file)
        layout = one.layout
        parts.append(_Part(path=one.path, start=start, layout=layout, file=file, shard=one.shard))
        start += layout.count
    return parts


def _write(part: _Part, rows: Sequence[int], checksums: Sequence[int], stored: Stored) -> None:
    """Write rows of one file, and sync it to the disk."""
    # The lock belongs to the open file, not to its name. If another process has put a new file at this
    # path (possible where there are no locks), rows written here would be lost.
    if not os.path.samestat(os.fstat(part.file.fileno()), part.path.stat()):
        raise StoreError(
            f"{part.path} was replaced by another stackkit process; run the same command again when "
            "that process has ended"
        )
    for start, stop in runs(rows):
        block = slice(start, stop)
        write_rows(part.file, part.layout, rows[start], checksums[block], stored[block])
    # Once per call and not per row: a sync takes milliseconds on a disk. Until it returns, a power
    # failure may leave any part of these rows; their checksums tell which are whole.
    os.fsync(part.file.fileno())


def _mapped(part: _Part, dtype: np.dtype[np.floating]) -> NDArray[np.floating]:
    shape = (part.layout.count, part.layout.width)
    if not part.layout.count:  # nothing can be mapped
        return np.empty(shape, dtype)
    # A plain array, since np.memmap keeps its type in results.
    return np.asarray(np.memmap(part.file, dtype, "r", part.layout.features, shape))
