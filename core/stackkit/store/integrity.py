"""Check a feature file with a seal before the HDF5 library opens it.

The internal tables of HDF5 have no checksums, and a flipped bit in them can make the library hang. They
never change once a feature file exists. So the user block of the file holds a seal, a JSON record with
the digest of every byte except the rows, which have checksums of their own.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from io import FileIO

from stackkit.store.errors import DamagedFileError, NewerFormatError

FORMAT_VERSION = 2
"""Of files with rows."""

INDEX_VERSION = 3
"""Of files without rows that join others. Older versions of stackkit must not take them for files with
rows, which these are to every other program."""

USER_BLOCK_BYTES = 512
"""Size of the HDF5 user block: the seal as JSON, padded with NUL bytes, then the digest of both."""

_FORMAT = "stackkit features"
_DIGEST_BYTES = 32
_TEXT_BYTES = USER_BLOCK_BYTES - _DIGEST_BYTES
_READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """Where the rows of a feature file are, and the digest of all other bytes.

    Parameters
    ----------
    format, version : str, int
        Marks the file as a feature file, and the version of the format.
    size : int
        Size of the file in bytes.
    features, checksums : tuple of int
        Offset and length in bytes of the two areas that change after the creation of the file.
    digest : str
        Hexadecimal BLAKE2b-256 digest of every other byte after the user block.

    """

    format: str = _FORMAT
    version: int = FORMAT_VERSION
    size: int
    features: tuple[int, int]
    checksums: tuple[int, int]
    digest: str

    @property
    def block(self) -> bytes:
        """The user block with this seal, USER_BLOCK_BYTES long."""
        text = json.dumps(asdict(self)).encode().ljust(_TEXT_BYTES, b"\0")
        return text + _blake(text)

    def problem(self, file: FileIO) -> str | None:
        """Return how the file contradicts its seal, or None if it is intact."""
        size = os.fstat(file.fileno()).st_size
        # The size first: it finds a file that is cut short without reading it.
        if size != self.size:
            return f"is damaged: expected {self.size:,} bytes, got {size:,}"
        if self.digest != _digest(file, size, [self.features, self.checksums]):
            return "is damaged: bytes outside its rows have changed"
        return None


def write_seal(
    file: FileIO,
    features: tuple[int, int],
    checksums: tuple[int, int],
    version: int = FORMAT_VERSION,
) -> None:
    """Seal a finished file, whose rows are at (offset, length) in bytes."""
    size = os.fstat(file.fileno()).st_size
    digest = _digest(file, size, [features, checksums])
    seal = Seal(version=version, size=size, features=features, checksums=checksums, digest=digest)
    file.seek(0)
    file.write(seal.block)


def read_seal(file: FileIO) -> Seal:
    """Return the seal of a file. Whether the file matches it is for `Seal.problem` to say.

    Raises
    ------
    DamagedFileError
        If the file has no seal, or the seal is damaged.
    NewerFormatError
        If a newer version of stackkit wrote the file.

    """
    file.seek(0)
    block = file.read(USER_BLOCK_BYTES)
    text, digest = block[:_TEXT_BYTES], block[_TEXT_BYTES:]
    # Before anything of it is used: a flipped bit in the version must not look like a newer format.
    if digest != _blake(text):
        raise DamagedFileError(f"{file.name} is damaged: its seal is missing or invalid")
    try:
        found = json.loads(text.rstrip(b"\0"))
        version = int(found["version"])
        if version > INDEX_VERSION:
            raise newer_format(str(file.name), version)
        return Seal(**found | {name: tuple(found[name]) for name in ("features", "checksums")})
    except (ValueError, TypeError, KeyError) as error:
        raise DamagedFileError(f"{file.name} has a seal that stackkit did not write") from error


def newer_format(path: str, version: int) -> NewerFormatError:
    """Return the error for a file in a newer format."""
    return NewerFormatError(
        f"{path} has format {version}, but this version of stackkit reads formats up to "
        f"{INDEX_VERSION}; upgrade stackkit"
    )


def _digest(file: FileIO, size: int, rows: list[tuple[int, int]]) -> str:
    """Return the digest of every byte after the user block that is outside `rows`."""
    # The rows are left out by hashing the gaps before, between and after the two areas.
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    start = USER_BLOCK_BYTES
    for offset, length in [*sorted(rows), (size, 0)]:
        for piece in _pieces(file, start, offset):
            digest.update(piece)
        # HDF5 gives a dataset without rows no place in the file: its offset is 0, before `start`.
        start = max(start, offset + length)
    return digest.hexdigest()


def _pieces(file: FileIO, start: int, stop: int) -> Iterator[bytes]:
    # In pieces, because the texts of a large dataset can take hundreds of megabytes.
    file.seek(start)
    while start < stop and (piece := file.read(min(_READ_BYTES, stop - start))):
        start += len(piece)
        yield piece


def _blake(text: bytes) -> bytes:
    return hashlib.blake2b(text, digest_size=_DIGEST_BYTES).digest()
