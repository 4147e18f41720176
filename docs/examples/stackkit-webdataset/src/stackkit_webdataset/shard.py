"""List a tar file and read its members in any order from any thread."""

from __future__ import annotations

import os
import re
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

from stackkit.api import DatasetError, ImageError

_BLOCK = 512
_PACKERS = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
}

State = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A regular file in a shard; offset and size in bytes."""

    name: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """A tar file, with its state at the time of listing."""

    name: str
    path: Path
    state: State

    def read(self, member: Member) -> bytes:
        """Return the content of a member. Raises OSError, or ImageError if the file changed.

        Each call opens the file: threads must not share a position, and there may be too many shards to
        keep all of them open.
        """
        with self.path.open("rb") as file:
            if _state(file) != self.state:
                raise ImageError(f"{self.name} changed during the run; run the command again")
            file.seek(member.offset)
            return file.read(member.size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The members of a shard up to its end, or up to its `damage` ("" if there is none).

    `special` has the names of links and other members without content of their own.
    """

    shard: Shard
    members: tuple[Member, ...]
    special: tuple[str, ...]
    damage: str


@contextmanager
def listed(name: str, path: Path) -> Iterator[tuple[Listing, IO[bytes]]]:
    """Yield the listing of a shard and its open file; raise DatasetError if it is compressed."""
    try:
        with path.open("rb") as file:
            _refuse_compressed(path, file)
            yield _listing(Shard(name=name, path=path, state=_state(file)), file), file
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error}); check its permissions") from error


def _state(file: IO[bytes]) -> State:
    """Return size in bytes and time of the last change in nanoseconds."""
    status = os.fstat(file.fileno())
    return status.st_size, status.st_mtime_ns


def _refuse_compressed(path: Path, file: IO[bytes]) -> None:
    start = file.read(6)
    file.seek(0)
    for magic, packer in _PACKERS.items():
        if start.startswith(magic):
            _refuse(path, packer)


def _refuse(path: Path, packer: str) -> NoReturn:
    bare = re.sub(r"\.(tar\.\w+|t\w+)\Z", "", path.name) + ".tar"
    target = bare if bare != path.name else f"unpacked-{bare}"
    raise DatasetError(
        f"{path} is compressed with {packer} and can only be read from its beginning, so every image "
        "would require decompressing everything before it. Decompress all shards first (they hardly "
        f"grow, because images are compressed already): `{packer} -dc {path.name} > {target}`"
    )


def _listing(shard: Shard, file: IO[bytes]) -> Listing:
    members: list[Member] = []
    special: list[str] = []
    try:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            for info in archive:
                _require(archive.offset < shard.state[0] + _BLOCK)
                if info.isreg() and not info.issparse():
                    _require(0 <= info.size <= shard.state[0] - info.offset_data)
                    members.append(_member(info))
                elif not info.isdir():
                    special.append(info.name)
            damage = _damage(file, archive.offset)
    except OSError:
        raise
    except Exception as error:
        # Damaged headers raise many types besides tarfile's own, such as ValueError and OverflowError.
        damage = str(error) or type(error).__name__
    return Listing(shard=shard, members=tuple(members), special=tuple(special), damage=damage)


def _member(info: tarfile.TarInfo) -> Member:
    name = info.name.removeprefix("./")  # as `tar -C folder .` writes it
    return Member(name=name, offset=info.offset_data, size=info.size)


def _require(fits: bool) -> None:
    if not fits:
        raise tarfile.ReadError("the file ends within the next member")


def _damage(file: IO[bytes], end: int) -> str:
    """Return what is wrong with the end of the archive: tarfile stops at any invalid header."""
    file.seek(end)
    mark = file.read(_BLOCK)
    if len(mark) < _BLOCK:
        return "the end mark is missing"
    if mark.strip(b"\0"):
        return "the next header is invalid"
    if any(chunk.strip(b"\0") for chunk in iter(lambda: file.read(1 << 20), b"")):
        return "there is data after the end mark"
    return ""
