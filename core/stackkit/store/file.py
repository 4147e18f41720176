"""One feature file: rows read, checked and committed."""

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
from stackkit.store.rows import (
    Stored,
    checksum,
    intact_rows,
    read_checksums,
    read_rows,
    runs,
    write_rows,
)


class FeatureFile(AbstractContextManager["FeatureFile"]):
    """Features of one dataset under one backbone setting, read and written by rows."""

    def __init__(self, path: Path, contents: Contents, *, writable: bool) -> None:
        self.path = path
        self._samples = contents.rows.samples
        self._places = contents.places
        self._fingerprints = contents.fingerprints
        self._file = path.open("r+b" if writable else "rb", buffering=0)
        if not writable:
            return
        try:
            lock(self._file)
        except OSError:
            self._file.close()
            raise

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file; everything written has been committed already."""
        self._file.close()

    def pending(self) -> list[int]:
        """Rows that are absent or damaged and whose image can be read, in order."""
        intact = self.intact()
        return [i for i, print_ in enumerate(self._fingerprints) if print_ and not intact[i]]

    def intact(self) -> NDArray[np.bool_]:
        """(n,) whether each row is present and agrees with its checksum."""
        intact = np.zeros(self._places.count, dtype=bool)
        with storage_errors(self.path):
            for row, _, _ in intact_rows(self._file, self._places, self._fingerprints):
                intact[row] = True
        return intact

    def checksums(self) -> NDArray[np.uint32]:
        """(n,) checksum of each row as it is stored, 0 where none was written."""
        with storage_errors(self.path):
            return read_checksums(self._file, self._places)

    def write(self, rows: Sequence[int], features: NDArray[np.float32]) -> None:
        """Commit (len(rows), d) features; after it returns they survive a power failure.

        Raises StoreError if the disk fails, or a feature is beyond the range of the store's dtype.
        """
        stored = self._converted(rows, features)
        checksums = [checksum(self._fingerprints[i], row) for i, row in zip(rows, stored, strict=True)]
        with storage_errors(self.path):
            self._check_in_place()
            for start, stop in runs(rows):
                part = slice(start, stop)
                write_rows(self._file, self._places, rows[start], checksums[part], stored[part])
            os.fsync(self._file.fileno())

    def read(self) -> NDArray[np.float32]:
        """(n, d) features; rows that were never written are zero, see `intact`."""
        features = np.empty((self._places.count, self._places.width), dtype=np.float32)
        with storage_errors(self.path):
            for start, stop in self._places.blocks():
                features[start:stop] = read_rows(self._file, self._places, start, stop)[1]
        return features

    def view(self) -> NDArray[np.float32]:
        """(n, d) features, float32 ones read only when and where they are looked at; else as `read`."""
        if self._places.dtype == "float32":
            with suppress(ValueError):  # of a file that is cut short
                rows = (self._places.count, self._places.width)
                mapped = np.memmap(self._file, "<f4", "r", self._places.features, rows)
                return np.asarray(mapped)
        return self.read()

    def _converted(self, rows: Sequence[int], features: NDArray[np.float32]) -> Stored:
        with np.errstate(over="ignore"):
            stored: Stored = features.astype(self._places.stored_dtype)
        if not np.isfinite(stored).all():
            place, column = np.argwhere(~np.isfinite(stored))[0]
            raise StoreError(
                f"{self._samples[rows[place]].id} has a feature of {features[place, column]:g}, which "
                f"{self._places.dtype} cannot hold; use --feature-dtype float32"
            )
        return stored

    def _check_in_place(self) -> None:
        """The lock is the file's, not the name's: see that the name still means this file."""
        if not os.path.samestat(os.fstat(self._file.fileno()), self.path.stat()):
            raise StoreError(
                f"{self.path} was replaced by another stackkit; run the same command again when it ends"
            )
