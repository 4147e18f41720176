"""Read, check and write single rows as bytes at fixed offsets, independently of all other rows."""

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
"""Approximate size of the blocks in which rows are read; it limits the memory of every reader."""

Stored: TypeAlias = NDArray[np.floating]
"""(n, d) features in the dtype of the file, little-endian."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowLayout:
    """Where the rows of a feature file are.

    Parameters
    ----------
    features, checksums : int
        Offsets in bytes, from the start of the file, of the (count, width) features and of the (count,)
        uint32 checksums.
    count, width : int
        Number of rows, and of features per row.
    dtype : {"float32", "float16"}
        Type of the features.

    """

    features: int
    checksums: int
    count: int
    width: int
    dtype: FeatureDtype

    @property
    def stored_dtype(self) -> np.dtype[np.floating]:
        """Return the dtype in the file, little-endian on every machine."""
        return np.dtype(self.dtype).newbyteorder("<")

    @property
    def stride(self) -> int:
        """Number of bytes of one row."""
        return self.width * self.stored_dtype.itemsize

    def blocks(self) -> Iterator[tuple[int, int]]:
        """Yield ranges [start, stop) that cover all rows, each of about BLOCK_BYTES."""
        step = max(1, BLOCK_BYTES // self.stride)
        for start in range(0, self.count, step):
            yield start, min(start + step, self.count)


def read_checksums(file: FileIO, layout: RowLayout) -> NDArray[np.uint32]:
    """Return the (n,) checksums; 0 means that the row was never written."""
    return np.frombuffer(_read(file, layout.checksums, 4 * layout.count), dtype="<u4")


def read_rows(
    file: FileIO, layout: RowLayout, start: int, stop: int
) -> tuple[NDArray[np.uint32], Stored]:
    """Return the checksums (k,) and features (k, d) of rows [start, stop), unchecked.

    Where the file is cut short, both are 0.
    """
    checksums = _read(file, layout.checksums + 4 * start, 4 * (stop - start))
    features = _read(file, layout.features + layout.stride * start, layout.stride * (stop - start))
    rows = np.frombuffer(features, dtype=layout.stored_dtype).reshape(stop - start, layout.width)
    return np.frombuffer(checksums, dtype="<u4"), rows


def write_rows(
    file: FileIO, layout: RowLayout, start: int, checksums: Sequence[int], features: Stored
) -> None:
    """Write checksums (k,) and features (k, d) of rows [start, start + k); does not sync the disk.

    The order of the two writes does not matter: after a crash between them, or in the middle of one,
    the checksum does not match the features, and the row counts as missing.
    """
    stored = np.ascontiguousarray(features, dtype=layout.stored_dtype)
    _write(file, layout.features + layout.stride * start, stored.tobytes())
    _write(file, layout.checksums + 4 * start, np.array(checksums, dtype="<u4").tobytes())


def intact_rows(
    file: FileIO, layout: RowLayout, fingerprints: Sequence[bytes]
) -> Iterator[tuple[int, int, Stored]]:
    """Yield the row number, checksum and features (d,) of every row that matches its checksum."""
    # Another process may be writing a row while it is read here. Then it does not match its checksum and
    # is skipped: that is why readers need no lock.
    for start, stop in layout.blocks():
        checksums, features = read_rows(file, layout, start, stop)
        for row in intact_in(checksums, features, fingerprints, start):
            yield row, int(checksums[row - start]), features[row - start]


def intact_in(
    checksums: NDArray[np.uint32], features: Stored, fingerprints: Sequence[bytes], start: int
) -> Iterator[int]:
    """Yield the numbers of the rows of a block, from `start`, that match their checksums."""
    # Without NumPy in the loop, which takes longer than CRC-32 itself for rows of usual widths.
    data, crc32 = memoryview(features.tobytes()), zlib.crc32
    stride = len(data) // max(len(features), 1)
    for offset, found in enumerate(checksums.tolist()):
        if not found:
            continue
        row, at = start + offset, offset * stride
        if found == (crc32(data[at : at + stride], crc32(fingerprints[row])) or 1):
            yield row


def checksum(fingerprint: bytes, row: Stored) -> int:
    """Return the CRC-32 of the fingerprint followed by the stored bytes of the row (d,).

    The result is never 0, which means "not written": 1 stands in for it.
    """
    # CRC-32 is enough to detect accidents, and costs little time. Starting with the fingerprint ties the
    # row to its image.
    return zlib.crc32(row.tobytes(), zlib.crc32(fingerprint)) or 1


def runs(rows: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yield positions [start, stop) of consecutive row numbers; each run needs one write only."""
    start = 0
    for position in range(1, len(rows) + 1):
        if position == len(rows) or rows[position] != rows[position - 1] + 1:
            yield start, position
            start = position


def _read(file: FileIO, offset: int, length: int) -> bytes:
    file.seek(offset)
    # A file that is cut short reads as zeros, so its missing rows look like rows never written.
    return file.read(length).ljust(length, b"\0")


def _write(file: FileIO, offset: int, data: bytes) -> None:
    file.seek(offset)
    left = memoryview(data)
    # The file is unbuffered: a disk that fills up accepts a part of the data first, and raises an
    # error for the rest only.
    while left:
        left = left[file.write(left) :]
