"""Read, check and write the rows of one feature file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stackkit.api.errors import StoreError
from stackkit.store.errors import storage_errors
from stackkit.store.locks import lock
from stackkit.store.metadata import Contents
from stackkit.store.rows import Stored, checksum, intact_rows, read_rows, runs, write_rows


class FeatureFile(AbstractContextManager["FeatureFile"]):
    """The features of one dataset for one backbone setting, read and written by rows.

    Rows are read and written as plain bytes, without the HDF5 library: that changes its own tables while
    a file is open for writing, and would leave them changed if the process is killed.

    Parameters
    ----------
    path : Path
        The feature file.
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
        self._samples = contents.rows.samples
        self._layout = contents.layout
        self._fingerprints = contents.fingerprints
        # Unbuffered, so that a write reaches the operating system at once and a kill loses none.
        self._file = path.open("r+b" if writable else "rb", buffering=0)
        if not writable:
            return
        try:
            lock(self._file)
        except OSError:
            self._file.close()  # no `with` block will do it: the constructor fails
            raise

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and release its lock. Everything written has been committed already."""
        self._file.close()

    def pending(self) -> list[int]:
        """Return the rows that are missing or damaged although their image can be read, in order."""
        intact = self.intact()
        return [i for i, fingerprint in enumerate(self._fingerprints) if fingerprint and not intact[i]]

    def intact(self) -> NDArray[np.bool_]:
        """Return (n,) whether each row is stored and matches its checksum."""
        intact = np.zeros(self._layout.count, dtype=bool)
        with storage_errors(self.path):
            for row, _, _ in intact_rows(self._file, self._layout, self._fingerprints):
                intact[row] = True
        return intact

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
        checksums = [checksum(self._fingerprints[i], row) for i, row in zip(rows, stored, strict=True)]
        with storage_errors(self.path):
            self._require_same_file()
            for start, stop in runs(rows):
                part = slice(start, stop)
                write_rows(self._file, self._layout, rows[start], checksums[part], stored[part])
            # Once per call and not per row: a sync takes milliseconds on a disk. Until it returns, a
            # power failure may leave any part of these rows; their checksums tell which are whole.
            os.fsync(self._file.fileno())

    def read(self) -> NDArray[np.float32]:
        """Return all features, (n, d) float32. Rows that were never written are 0, see `intact`."""
        features = np.empty((self._layout.count, self._layout.width), dtype=np.float32)
        with storage_errors(self.path):
            for start, stop in self._layout.blocks():
                features[start:stop] = read_rows(self._file, self._layout, start, stop)[1]
        return features

    def view(self) -> NDArray[np.float32]:
        """Return all features, (n, d) float32, as a read-only memory map where that is possible.

        A memory map reads only the rows that are used, when they are used, and stays valid after the
        file is closed. Features of another dtype, and files that are cut short, are read as by `read`.
        """
        if self._layout.dtype == "float32":
            with suppress(ValueError):  # the file is shorter than the array
                rows = (self._layout.count, self._layout.width)
                mapped = np.memmap(self._file, "<f4", "r", self._layout.features, rows)
                return np.asarray(mapped)  # a plain array, since np.memmap keeps its type in results
        return self.read()

    def _converted(self, rows: Sequence[int], features: NDArray[np.float32]) -> Stored:
        with np.errstate(over="ignore"):  # float16 overflows to inf, which is reported below
            stored: Stored = features.astype(self._layout.stored_dtype)
        if not np.isfinite(stored).all():
            place, column = np.argwhere(~np.isfinite(stored))[0]
            raise StoreError(
                f"{self._samples[rows[place]].id} has a feature value of {features[place, column]:g}, "
                f"which is out of range for {self._layout.dtype}; use --feature-dtype float32"
            )
        return stored

    def _require_same_file(self) -> None:
        # The lock belongs to the open file, not to its name. If another process has put a new file at
        # this path (possible where there are no locks), rows written here would be lost.
        if not os.path.samestat(os.fstat(self._file.fileno()), self.path.stat()):
            raise StoreError(
                f"{self.path} was replaced by another stackkit process; run the same command again when "
                "that process has ended"
            )
