"""One tar file: where each member's bytes are, and those bytes, in any order and from any thread."""

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
    """A regular file within a shard; place and size in bytes."""

    name: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """A tar file as it was when its members were listed."""

    name: str
    path: Path
    state: State

    def read(self, member: Member) -> bytes:
        """The member's bytes. Raises OSError, or ImageError if the file is not what it was.

        Each call opens the file for itself: threads share no position, and no thousand files stay open.
        """
        with self.path.open("rb") as file:
            if _state(file) != self.state:
                raise ImageError(f"{self.name} was changed meanwhile; the next run lists it anew")
            file.seek(member.offset)
            return file.read(member.size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The members that a shard has up to its end, or to its `damage` ("" if it is whole).

    `special` are names of links and the like, whose content is elsewhere.
    """

    shard: Shard
    members: tuple[Member, ...]
    special: tuple[str, ...]
    damage: str


@contextmanager
def listed(name: str, path: Path) -> Iterator[tuple[Listing, IO[bytes]]]:
    """What a shard has, and its open file; raises DatasetError for one that is compressed."""
    try:
        with path.open("rb") as file:
            _refuse_compressed(path, file)
            yield _listing(Shard(name=name, path=path, state=_state(file)), file), file
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({error}); check it and its permissions") from error


def _state(file: IO[bytes]) -> State:
    """Size in bytes and time of the last change in nanoseconds."""
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
        f"{path} is compressed by {packer}, so that it can be read from its beginning only: every image "
        "would cost all that lies before it. Plain tar takes hardly more room, for images are small "
        f"already: run `{packer} -dc {path.name} > {target}`, the like for all shards, and read those"
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
        # Broken headers raise many types beside tarfile's own (ValueError, OverflowError ...).
        damage = str(error) or type(error).__name__
    return Listing(shard=shard, members=tuple(members), special=tuple(special), damage=damage)


def _member(info: tarfile.TarInfo) -> Member:
    name = info.name.removeprefix("./")  # as `tar -C folder .` writes it
    return Member(name=name, offset=info.offset_data, size=info.size)


def _require(fits: bool) -> None:
    if not fits:
        raise tarfile.ReadError("the file ends within the next")


def _damage(file: IO[bytes], end: int) -> str:
    """Whether the end that tarfile saw is one: it takes any header that is none for the end."""
    file.seek(end)
    mark = file.read(_BLOCK)
    if len(mark) < _BLOCK:
        return "a tar file's end mark is lacking"
    if mark.strip(b"\0"):
        return "no header of a member follows"
    if any(chunk.strip(b"\0") for chunk in iter(lambda: file.read(1 << 20), b"")):
        return "an end mark, and more behind it"
    return ""
