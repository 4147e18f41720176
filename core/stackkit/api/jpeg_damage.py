"""Find JPEG files whose data end before the picture does, or the picture before its data.

libjpeg decodes such files: it fills what it has no data for with one colour, and only warns. Pillow
hides the warning (https://github.com/python-pillow/Pillow/issues/9106). So the data are changed where a
change must not be seen, or must be, and the pictures are compared.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stackkit.api.image_files import open_image

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SOS, _EOI = 0xDA, 0xD9
_BASELINE, _PROGRESSIVE = frozenset({0xC0, 0xC1}), frozenset({0xC2})
_TABLES = frozenset({0xC4, 0xC8, 0xCC})
_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})

_MARKER = re.compile(rb"\xff+[^\x00\xff]")
_RESTART = re.compile(rb"\xff+[\xd0-\xd7]")
_JUNK = (
    bytes.fromhex("5ac39b1e74d20f86b8e1276d4f93a530" * 4),
    bytes.fromhex("93e70c58a1fb364d8e127bc06915d4f2" * 4),
)
"""Bytes in place of data of the picture, without 0xff, which begins a marker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scan:
    """Where the compressed data of a scan start and end in the file."""

    start: int
    end: int


_UNCHECKED: ContextVar[bool] = ContextVar("stackkit_jpeg_unchecked", default=False)


@contextmanager
def unchecked() -> Iterator[None]:
    """Let `jpeg_damage` find nothing in this thread, for images that are only shown.

    The check decodes parts of the file up to three more times, most of the time of `read_image`; whether
    an image is damaged is known from the run.
    """
    before = _UNCHECKED.set(True)
    try:
        yield
    finally:
        _UNCHECKED.reset(before)


def jpeg_damage(content: bytes) -> str | None:
    """Return what is wrong with the data of a JPEG file that Pillow decodes without an error.

    Parameters
    ----------
    content : bytes
        The whole file.

    Returns
    -------
    str or None
        One line, or None if nothing was found. Values that were changed without a change of their
        number, as by a single wrong bit, are not found.

    Notes
    -----
    Bytes inserted after the last data of a scan change the picture only if libjpeg looks for more data,
    so only if some are missing. Bytes that replace the last data change the picture, unless it was
    complete before them. Baseline files are compared at an eighth of their size, which takes the same
    data in a fraction of the time.

    """
    if _UNCHECKED.get():
        return None
    frame, scans = _structure(content)
    if frame not in (_BASELINE | _PROGRESSIVE) or not scans:
        return None
    content = content[: scans[-1].end] + b"\xff\xd9"  # what follows is no part of this picture
    # The small picture of a progressive file comes from its first scan alone.
    is_small = frame in _BASELINE
    picture = _decoded(content, is_small=is_small)
    if picture is None:
        return None
    longer = _decoded(_with_more_data(content, scans), is_small=is_small)
    if longer is not None and _differ(picture, longer):
        return "the JPEG data end too early, so a part of the picture is missing or wrong"
    if is_small and len(scans) == 1:
        blocks = picture.shape[0] * picture.shape[1]
        ends = (_with_other_end(content, scans[0], junk, blocks) for junk in _JUNK)
        if all(_equal(picture, _decoded(end, is_small=True)) for end in ends):
            return "the JPEG data do not fit the picture, so a part of it is wrong"
    return None


def _structure(content: bytes) -> tuple[int, list[_Scan]]:
    """Return the type of the frame (the second byte of its marker, 0 if there is none) and its scans."""
    frame, scans, place = 0, list[_Scan](), 2
    while found := _MARKER.search(content, place):
        kind, place = content[found.end() - 1], found.end()
        if kind == _EOI:
            break
        if kind in _WITHOUT_LENGTH:
            continue
        if 0xC0 <= kind <= 0xCF and kind not in _TABLES:
            frame = kind
        place += int.from_bytes(content[place : place + 2], "big")
        if kind == _SOS:
            scans.append(_Scan(start=place, end=_end(content, place)))
            place = scans[-1].end
    return frame, scans


def _end(content: bytes, start: int) -> int:
    """Return where the compressed data that begin at `start` end: at the next marker but restarts."""
    for found in _MARKER.finditer(content, start):
        if not 0xD0 <= content[found.end() - 1] <= 0xD7:
            return found.start()
    return len(content)


def _with_more_data(content: bytes, scans: list[_Scan]) -> bytes:
    """Insert bytes at the end of every scan, and before every restart marker in it."""
    parts, place = list[bytes](), 0
    for scan in scans:
        data = _RESTART.sub(lambda found: _JUNK[0] + found.group(), content[scan.start : scan.end])
        parts += [content[place : scan.start], data, _JUNK[0]]
        place = scan.end
    return b"".join([*parts, content[place:]])


def _with_other_end(content: bytes, scan: _Scan, junk: bytes, blocks: int) -> bytes:
    """Replace the data of about the last eight blocks of a picture."""
    count = max(32, 8 * (scan.end - scan.start) // blocks)
    start = max(scan.start, scan.end - count)
    while start > scan.start and content[start - 1] == 0xFF:  # not within a marker or an escaped 0xff
        start -= 1
    return content[:start] + (junk * (count // len(junk) + 1))[:count] + content[scan.end :]


def _decoded(content: bytes, *, is_small: bool) -> NDArray[np.uint8] | None:
    """Return the pixels, or None if Pillow refuses the file."""
    import numpy as np

    try:
        with open_image(io.BytesIO(content)) as image:
            if is_small:
                image.draft(image.mode, (1, 1))
            return np.asarray(image)
    except MemoryError:
        raise
    except Exception:  # a dozen types, see `stackkit.api.images`
        return None


def _differ(one: NDArray[np.uint8], other: NDArray[np.uint8] | None) -> bool:
    return other is not None and not _equal(one, other)


def _equal(one: NDArray[np.uint8], other: NDArray[np.uint8] | None) -> bool:
    import numpy as np

    return other is not None and np.array_equal(one, other)
