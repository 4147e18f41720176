"""Rows as bytes at fixed places: each is read, checked and written whatever befalls the others."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import FileIO
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stackkit.store.keys import FeatureDtype

BLOCK_BYTES = 8 << 20
"""Rows are read in blocks of about this size, which bounds the memory of every reader."""

Stored: TypeAlias = NDArray[np.floating]
"""(n, d) features in the dtype of the file, little-endian."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where `count` rows of `width` features and their checksums begin, in bytes."""

    features: int
    checksums: int
    count: int
    width: int
    dtype: FeatureDtype

    @property
    def stored_dtype(self) -> np.dtype[np.floating]:
        """The dtype in the file, little-endian on every machine."""
        return np.dtype(self.dtype).newbyteorder("<")

    @property
    def stride(self) -> int:
        """Bytes of one row."""
        return self.width * self.stored_dtype.itemsize

    def blocks(self) -> Iterator[tuple[int, int]]:
        """Rows [start, stop) that together cover all of them and fit into memory one by one."""
        step = max(1, BLOCK_BYTES // self.stride)
        for start in range(0, self.count, step):
            yield start, min(start + step, self.count)


def read_checksums(file: FileIO, places: Places) -> NDArray[np.uint32]:
    """(n,) checksums; 0 where a row was never written."""
    return np.frombuffer(_bytes(file, places.checksums, 4 * places.count), dtype="<u4")


def read_rows(file: FileIO, places: Places, start: int, stop: int) -> tuple[NDArray[np.uint32], Stored]:
    """Checksums (k,) and features (k, d) of rows [start, stop); zero where the file is cut short."""
    checksums = _bytes(file, places.checksums + 4 * start, 4 * (stop - start))
    features = _bytes(file, places.features + places.stride * start, places.stride * (stop - start))
    rows = np.frombuffer(features, dtype=places.stored_dtype).reshape(stop - start, places.width)
    return np.frombuffer(checksums, dtype="<u4"), rows


def write_rows(
    file: FileIO, places: Places, start: int, checksums: Sequence[int], features: Stored
) -> None:
    """Put checksums (k,) and features (k, d) at rows [start, start + k)."""
    stored = np.ascontiguousarray(features, dtype=places.stored_dtype)
    _put(file, places.features + places.stride * start, stored.tobytes())
    _put(file, places.checksums + 4 * start, np.array(checksums, dtype="<u4").tobytes())


def intact_rows(
    file: FileIO, places: Places, fingerprints: Sequence[bytes]
) -> Iterator[tuple[int, int, Stored]]:
    """Number, checksum and features (d,) of every row that agrees with its checksum."""
    for start, stop in places.blocks():
        checksums, features = read_rows(file, places, start, stop)
        for offset in np.flatnonzero(checksums):
            row, found = start + int(offset), int(checksums[offset])
            if found == checksum(fingerprints[row], features[offset]):
                yield row, found, features[offset]


def checksum(fingerprint: bytes, row: Stored) -> int:
    """CRC-32 over fingerprint and features as stored; never 0, which means "not written"."""
    return zlib.crc32(row.tobytes(), zlib.crc32(fingerprint)) or 1


def runs(rows: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Positions [start, stop) of consecutive rows, so that each run is one write."""
    start = 0
    for position in range(1, len(rows) + 1):
        if position == len(rows) or rows[position] != rows[position - 1] + 1:
            yield start, position
            start = position


def _bytes(file: FileIO, offset: int, length: int) -> bytes:
    file.seek(offset)
    return file.read(length).ljust(length, b"\0")


def _put(file: FileIO, offset: int, data: bytes) -> None:
    file.seek(offset)
    left = memoryview(data)
    while left:  # a disk that fills up takes a part first, and raises at the next
        left = left[file.write(left) :]
