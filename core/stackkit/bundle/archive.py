"""The container of a bundle: a zip file in one canonical form, so that nothing can hide in it.

Every byte outside the contents of the members follows from the names, sizes and checksums of the
members. The reader computes these bytes again and compares them, which leaves no room for compression,
encryption, comments, links, data between members, two directories that differ, or zip64. Any zip tool
can read such a file. Python's `zipfile` is not used, because it is made to open what others wrote: it
searches for the end record, accepts data before and after the archive, and believes one of two headers.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

MAX_MEMBERS = 10_000
MAX_BYTES = 2**32 - 2**20
"""Maximum size of a bundle; one of 4 GiB would need zip64, another format."""

_CHUNK = 1 << 20
# Segments begin with a letter, a digit or "_": no "..", no absolute path, no hidden file. Nor can there
# be a backslash, a colon, a control character or another alphabet that a file system might change.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*(/[A-Za-z0-9_][A-Za-z0-9_.+-]*)*")
_LONGEST_NAME = 200

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_VERSION = 20
_ON_UNIX = 3 << 8 | _VERSION
_DATE = 0x21  # 1 January 1980, the first one that zip knows: the same model gives the same bytes
_REGULAR_FILE = 0o100644 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A member of the archive: its name, size in bytes, CRC-32, and where its header begins."""

    name: str
    size: int
    crc: int
    offset: int

    @property
    def content_offset(self) -> int:
        """Where the content begins."""
        return self.offset + _LOCAL.size + len(self.name)

    @property
    def end(self) -> int:
        """Where the next header begins."""
        return self.content_offset + self.size

    def local_header(self) -> bytes:
        """Return the bytes before the content."""
        name = self.name.encode()
        common = (_VERSION, 0, 0, 0, _DATE, self.crc, self.size, self.size, len(name), 0)
        return _LOCAL.pack(b"PK\3\4", *common) + name

    def central_header(self) -> bytes:
        """Return the bytes in the directory at the end of the archive."""
        name = self.name.encode()
        common = (_VERSION, 0, 0, 0, _DATE, self.crc, self.size, self.size, len(name), 0)
        rest = (0, 0, 0, _REGULAR_FILE, self.offset)
        return _CENTRAL.pack(b"PK\1\2", _ON_UNIX, *common, *rest) + name


def check_name(name: str) -> None:
    """Raise ValueError unless `name` can be that of a member."""
    if len(name) > _LONGEST_NAME or not _NAME.fullmatch(name):
        raise ValueError(
            f"{name[:_LONGEST_NAME]!r} cannot be the name of a member: allowed are up to "
            f"{_LONGEST_NAME} letters, digits and _.+-/, and no part may begin with a dot"
        )


def write_member(file: BinaryIO, name: str, chunks: Iterable[bytes]) -> Entry:
    """Append a member to an archive that is open for writing.

    Raises
    ------
    ValueError
        If the name is invalid, or the archive gets too large.

    """
    check_name(name)
    offset = file.tell()
    file.write(Entry(name=name, size=0, crc=0, offset=offset).local_header())
    size = crc = 0
    for chunk in chunks:
        size, crc = size + len(chunk), zlib.crc32(chunk, crc)
        if file.tell() + len(chunk) > MAX_BYTES:
            raise ValueError(f"a bundle has at most {MAX_BYTES:,} bytes, and {name} does not fit in it")
        file.write(chunk)
    entry = Entry(name=name, size=size, crc=crc, offset=offset)
    file.seek(offset)
    file.write(entry.local_header())
    file.seek(entry.end)
    return entry


def write_directory(file: BinaryIO, entries: Sequence[Entry]) -> None:
    """Finish an archive."""
    if len(entries) > MAX_MEMBERS:
        raise ValueError(f"a bundle has at most {MAX_MEMBERS:,} members, got {len(entries):,}")
    directory = b"".join(entry.central_header() for entry in entries)
    end = directory + _end_record(entries, len(directory))
    if file.tell() + len(end) > MAX_BYTES:
        raise ValueError(
            f"a bundle has at most {MAX_BYTES:,} bytes, and its directory does not fit in it"
        )
    file.write(end)


def read_directory(file: BinaryIO, size: int) -> tuple[Entry, ...]:
    """Return the members of an archive, after a comparison of all headers with those expected.

    Parameters
    ----------
    file : binary file
        Open for reading.
    size : int
        Its size in bytes.

    Raises
    ------
    ValueError
        If a byte of a header differs; the text says what about it.

    """
    if size < _END.size:
        raise ValueError("it is too short for a zip file" if size else "it is empty")
    end = _bytes_at(file, size - _END.size, _END.size)
    magic, _, _, _, count, length, start, _ = _END.unpack(end)
    if magic != b"PK\5\6":
        raise ValueError("it does not end as a zip file without a comment does; it may be incomplete")
    # Before the directory is read: it could claim to be as large as the file.
    if count > MAX_MEMBERS or length > MAX_MEMBERS * (_CENTRAL.size + _LONGEST_NAME):
        raise ValueError(f"it has {count:,} members, and at most {MAX_MEMBERS:,} are allowed")
    if start + length + _END.size != size:
        raise ValueError("its directory does not end where the file ends")
    entries = tuple(_entries(_bytes_at(file, start, length), count))
    if end != _end_record(entries, length) or (entries[-1].end if entries else 0) != start:
        raise ValueError("its end record does not fit its members")
    _check_members(file, entries)
    return entries


def read_chunks(file: BinaryIO, entry: Entry) -> Iterator[bytes]:
    """Yield the content of a member in pieces of at most 1 MiB."""
    position = entry.content_offset
    end = entry.end
    while position < end:
        # Each time, because the caller may read another member in between.
        chunk = _bytes_at(file, position, min(_CHUNK, end - position))
        position += len(chunk)
        yield chunk


def _entries(directory: bytes, count: int) -> Iterator[Entry]:
    position = 0
    for _ in range(count):
        header = directory[position : position + _CENTRAL.size]
        if len(header) < _CENTRAL.size:
            raise ValueError(f"its directory is too short for {count:,} members")
        fields = _CENTRAL.unpack(header)
        crc, size, length, offset = fields[7], fields[9], fields[10], fields[16]
        start = position + _CENTRAL.size
        raw = directory[start : start + length] if length <= _LONGEST_NAME else b"\0"
        name = raw.decode("latin-1")
        check_name(name)
        entry = Entry(name=name, size=size, crc=crc, offset=offset)
        if directory[position : position + _CENTRAL.size + length] != entry.central_header():
            raise ValueError(
                f"the directory describes {name} in a form that stackkit does not write (compressed, "
                "encrypted, a link, a folder, or with a comment or extra fields)"
            )
        position += _CENTRAL.size + length
        yield entry
    if position != len(directory):
        raise ValueError("its directory has data that belongs to no member")


def _check_members(file: BinaryIO, entries: Sequence[Entry]) -> None:
    position = 0
    seen: set[str] = set()
    for entry in entries:
        if entry.name.lower() in seen:  # some file systems ignore case, so both would be one file
            raise ValueError(f"it has two members with the name {entry.name}")
        seen.add(entry.name.lower())
        if entry.offset != position:
            raise ValueError(f"{entry.name} does not begin where the member before it ends")
        expected = entry.local_header()
        if _bytes_at(file, position, len(expected)) != expected:
            raise ValueError(f"the header of {entry.name} differs from the directory")
        position = entry.end


def _end_record(entries: Sequence[Entry], length: int) -> bytes:
    start = entries[-1].end if entries else 0
    count = len(entries)
    return _END.pack(b"PK\5\6", 0, 0, count, count, length, start, 0)


def _bytes_at(file: BinaryIO, position: int, length: int) -> bytes:
    file.seek(position)
    found = file.read(length)
    if len(found) != length:
        raise ValueError("it ends too early; it may have changed while it was read")
    return found
