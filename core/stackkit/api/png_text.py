"""Read PNG files with more text or a larger colour profile than Pillow accepts.

Pillow refuses such a file as a whole, because unpacking its text could take any amount of memory. The
pixels do not depend on it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TEXT = frozenset({b"iCCP", b"iTXt", b"tEXt", b"zTXt"})


def is_too_much_text(error: Exception) -> bool:
    """Return whether this is Pillow's error about the text of a PNG file."""
    return isinstance(error, ValueError) and (
        "MAX_TEXT_CHUNK" in str(error) or "memory used in text chunks" in str(error)
    )


def without_text(content: bytes) -> bytes:
    """Return a PNG file without its text and colour profile."""
    return _SIGNATURE + b"".join(_other_chunks(content))


def _other_chunks(content: bytes) -> Iterator[bytes]:
    place = len(_SIGNATURE)
    while place + 8 <= len(content):
        length, kind = struct.unpack(">I4s", content[place : place + 8])
        end = place + 12 + length  # 4 bytes each for length, kind and checksum
        if kind not in _TEXT:
            yield content[place:end]
        place = end
