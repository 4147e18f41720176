"""Open image files with Pillow, and name the formats that it does not read alone."""

from __future__ import annotations

import importlib
import io
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

Source = Path | io.BytesIO

_FILTERS = threading.Lock()

_COMMON = "bmp dib gif jfif jpe jpeg jpg pbm pgm png pnm ppm tga tif tiff webp"
_OTHERS = "avif avifs heic heics heif heifs hif j2c j2k jp2 jpc jpf jpx jxl"
IMAGE_ENDINGS = tuple(f".{name}" for name in sorted(f"{_COMMON} {_OTHERS}".split()))
"""File extensions of images, in lower case. Some need a package besides Pillow, and fail without it."""

_RAW = "3fr arw cr2 cr3 crw dcr dng erf kdc mrw nef nrw orf pef raf raw rw2 rwl sr2 srf srw x3f"
RAW_ENDINGS = tuple(f".{name}" for name in _RAW.split())
"""File extensions of raw photographs, in lower case. stackkit reads none of them: the pixels depend on
the software that develops them, and Pillow would read the small preview in some of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Format:
    """A format that a plain Pillow may not read, the bytes that it begins with, and what to do."""

    name: str
    is_format: Callable[[bytes], bool]
    remedy: str
    package: str | None = None
    register: Callable[[Any], None] = lambda package: None


def _has_brand(*brands: bytes) -> Callable[[bytes], bool]:
    return lambda start: start[4:8] == b"ftyp" and start[8:12] in brands


_FORMATS = (
    _Format(
        name="a HEIC",
        is_format=_has_brand(b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"),
        remedy="install the package pillow-heif",
        package="pillow_heif",
        register=lambda package: package.register_heif_opener(),
    ),
    _Format(
        name="an AVIF",
        is_format=_has_brand(b"avif", b"avis"),
        remedy="install Pillow 11.3 or newer from PyPI",
    ),
    _Format(
        name="a JPEG 2000",
        is_format=lambda start: start.startswith((b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")),
        remedy="install a Pillow with OpenJPEG, such as the one on PyPI",
    ),
    _Format(
        name="a JPEG XL",
        is_format=lambda start: start.startswith((b"\0\0\0\x0cJXL ", b"\xff\x0a")),
        remedy="install the package pillow-jxl-plugin",
        package="pillow_jxl",  # importing it is enough
    ),
    _Format(
        name="a raw",
        is_format=lambda start: _has_brand(b"crx ")(start) or start.startswith(b"FUJIFILMCCD-RAW"),
        remedy="convert it to JPEG or TIFF",
    ),
)


def open_image(source: Source) -> Image.Image:
    """Open an image file as `PIL.Image.open` does, without warnings about large images.

    Packages that read other formats are imported when the first of their files is opened.
    """
    from PIL import Image, UnidentifiedImageError

    # Only the header is read in silence, which locks out other threads; pixels are decoded outside.
    with silence():
        try:
            return Image.open(source)
        except UnidentifiedImageError:
            found = _format_of(source)
            if found is None or found.package is None or find_spec(found.package) is None:
                raise
            found.register(importlib.import_module(found.package))
            return Image.open(source)


@contextmanager
def silence() -> Iterator[None]:
    """Let Pillow give no warnings.

    It warns above 89 megapixels, and raises above twice that: large photographs are valid. It also warns
    of formats that it was built without, which `unread_format` explains, and of damaged EXIF data.
    """
    # Warning filters belong to the whole process: two threads that change them at the same time could
    # leave them changed.
    with _FILTERS, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def unread_format(source: Source) -> str | None:
    """Return the format of a file that Pillow could not identify, and what to do; None if unknown."""
    found = _format_of(source)
    return None if found is None else f"this is {found.name} image; {found.remedy} to read it"


def content_of(source: Source) -> bytes:
    """Return the whole content of a file."""
    return source.read_bytes() if isinstance(source, Path) else source.getvalue()


def _format_of(source: Source) -> _Format | None:
    start = content_of(source)[:32] if isinstance(source, io.BytesIO) else _start(source)
    return next((each for each in _FORMATS if each.is_format(start)), None)


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(32)
