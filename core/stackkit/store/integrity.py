"""Prove a feature file sound before the HDF5 library opens it.

HDF5's own tables carry no checksums, and flipped bits in them can make the library hang. They never
change once a feature file exists, so a seal in the file's user block vouches for every byte but those
of the rows, which have checksums of their own.
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
BLOCK = 512
"""Bytes of the HDF5 user block: the seal as JSON, padded with NUL, and behind it its digest."""

_FORMAT = "stackkit features"
_DIGEST = 32
_TEXT = BLOCK - _DIGEST
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """Where the rows of a file are, in bytes from its start, and the digest of all the rest."""

    format: str = _FORMAT
    version: int = FORMAT_VERSION
    size: int
    features: tuple[int, int]
    checksums: tuple[int, int]
    digest: str

    @property
    def block(self) -> bytes:
        """The user block that holds this seal."""
        text = json.dumps(asdict(self)).encode().ljust(_TEXT, b"\0")
        return text + _blake(text)

    def broken_by(self, file: FileIO) -> str | None:
        """What of a file contradicts its seal, or None; reads it in pieces of bounded size."""
        size = os.fstat(file.fileno()).st_size
        if size != self.size:
            return f"has {size:,} bytes instead of {self.size:,}"
        if self.digest != _digest(file, size, [self.features, self.checksums]):
            return "has changed bytes outside its rows"
        return None


def seal(file: FileIO, features: tuple[int, int], checksums: tuple[int, int]) -> None:
    """Write the seal of a finished file, whose rows lie at (offset, length) in bytes."""
    size = os.fstat(file.fileno()).st_size
    digest = _digest(file, size, [features, checksums])
    file.seek(0)
    file.write(Seal(size=size, features=features, checksums=checksums, digest=digest).block)


def read_seal(file: FileIO) -> Seal:
    """A file's seal, which may contradict the file: see `Seal.broken_by`.

    Raises DamagedFileError if there is none, and NewerFormatError if it is of a newer stackkit.
    """
    file.seek(0)
    block = file.read(BLOCK)
    text, digest = block[:_TEXT], block[_TEXT:]
    if digest != _blake(text):
        raise DamagedFileError(f"{file.name} has lost its seal")
    try:
        found = json.loads(text.rstrip(b"\0"))
        version = int(found["version"])
        if version > FORMAT_VERSION:
            raise newer_format(str(file.name), version)
        return Seal(**found | {name: tuple(found[name]) for name in ("features", "checksums")})
    except (ValueError, TypeError, KeyError) as error:
        raise DamagedFileError(f"{file.name} has the seal of something else") from error


def newer_format(path: str, version: int) -> NewerFormatError:
    """The refusal of a file that this stackkit is too old for."""
    return NewerFormatError(
        f"{path} has format {version}, this stackkit reads up to {FORMAT_VERSION}: upgrade stackkit"
    )


def _digest(file: FileIO, size: int, rows: list[tuple[int, int]]) -> str:
    """BLAKE2b of every byte behind the user block that is no row's."""
    digest = hashlib.blake2b(digest_size=_DIGEST)
    start = BLOCK
    for offset, length in [*sorted(rows), (size, 0)]:
        for piece in _pieces(file, start, offset):
            digest.update(piece)
        start = max(start, offset + length)  # no rows at all lie nowhere
    return digest.hexdigest()


def _pieces(file: FileIO, start: int, stop: int) -> Iterator[bytes]:
    file.seek(start)
    while start < stop and (piece := file.read(min(_PIECE, stop - start))):
        start += len(piece)
        yield piece


def _blake(text: bytes) -> bytes:
    return hashlib.blake2b(text, digest_size=_DIGEST).digest()
