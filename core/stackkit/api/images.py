"""Read images as RGB from files or bytes, compute their fingerprints, and resize them for networks."""

from __future__ import annotations

import contextlib
import hashlib
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from stackkit.api import pixels
from stackkit.api.errors import ImageError
from stackkit.api.image_files import Source, content_of, open_image, unread_format
from stackkit.api.jpeg_damage import jpeg_damage
from stackkit.api.pixels import DEFAULT_PIXELS, ImageRemark, PixelOptions
from stackkit.api.png_text import is_too_much_text, without_text
from stackkit.api.rgb import finished, load

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

T = TypeVar("T")

_TILE_WIDTH, _TILE_LENGTH = 322, 323
"""Tags of TIFF."""

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:[/\\]")
"""A URL as `pathlib` has it, with one slash; a drive of Windows is none."""


def bytes_fingerprint(content: bytes, options: PixelOptions = DEFAULT_PIXELS) -> str:
    """Return the fingerprint of an image's encoded bytes.

    Parameters
    ----------
    content : bytes
        The whole content of an image file.
    options : PixelOptions
        How its pixels are read.

    Returns
    -------
    str
        32 hexadecimal digits (BLAKE2b with a digest of 128 bits), followed by what `options` change in
        this image, such as "-exif". Equal content that is read in the same way has an equal fingerprint,
        wherever it is kept.

    """
    digest = hashlib.blake2b(content, digest_size=16).hexdigest()
    return digest + _changes(io.BytesIO(content), options)


def file_fingerprint(path: Path, options: PixelOptions = DEFAULT_PIXELS) -> str:
    """Return the fingerprint of a file, which is `bytes_fingerprint` of its content.

    Parameters
    ----------
    path : pathlib.Path
        An image file. It is read in blocks, so its size does not matter.
    options : PixelOptions
        How its pixels are read.

    Returns
    -------
    str
        At most 64 ASCII characters.

    Raises
    ------
    OSError
        If the file cannot be read.

    """
    # The same digest as bytes_fingerprint; file_digest releases the GIL and uses a fixed buffer.
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    return digest + _changes(path, options)


def _changes(source: Source, options: PixelOptions) -> str:
    if options == DEFAULT_PIXELS:
        return ""
    try:
        return _with_image(source, lambda image: options.changes(image, source))
    except MemoryError:
        raise
    except Exception:  # the same file fails with a reason when it is decoded
        return ""


def read_image(path: Path, options: PixelOptions = DEFAULT_PIXELS) -> Image.Image:
    """Read an image file and return its first frame as RGB.

    Parameters
    ----------
    path : pathlib.Path
        A file in any format that Pillow reads. HEIC and JPEG XL are read if the packages pillow-heif and
        pillow-jxl-plugin are installed.
    options : PixelOptions
        How its pixels are read. Pass the same ones to `file_fingerprint`.

    Returns
    -------
    PIL.Image.Image
        Mode RGB, fully decoded; the file is closed.

    Raises
    ------
    ImageError
        With the reason, if the file is missing, empty, truncated or not an image, or if its pixels
        have no defined range (floating-point, 32-bit).
    MemoryError
        If the pixels do not fit in memory.

    Notes
    -----
    Without options, pixels equal those of Pillow's `convert("RGB")` and of `keras.utils.load_img`: alpha
    is dropped, and the EXIF orientation is not applied. 16-bit grey is scaled to 8 bits, where Pillow
    clips it. Safe to call from several threads.

    What the report should mention, such as damaged data that could be decoded, is attached to the image.
    It stays attached to a copy or a part of the image that Pillow makes.

    """
    return _decoded(path, path.name, options)


def decode_image(content: bytes, name: str, options: PixelOptions = DEFAULT_PIXELS) -> Image.Image:
    """Decode the bytes of an image file, for images in archives or databases.

    Parameters
    ----------
    content : bytes
        The whole content of an image file.
    name : str
        What error messages call the image, instead of a file name.
    options : PixelOptions
        How its pixels are read. Pass the same ones to `bytes_fingerprint`.

    Returns
    -------
    PIL.Image.Image
        The same image as `read_image` returns for a file with this content.

    Raises
    ------
    ImageError, MemoryError
        As for `read_image`.

    See Also
    --------
    bytes_fingerprint : The fingerprint of the same bytes. It equals that of an unpacked file, so stored
        features are reused for both.

    """
    return _decoded(io.BytesIO(content), name, options)


def image_header(content: bytes, name: str) -> tuple[str, tuple[int, int]]:
    """Return the format of an image file and the size of what is decoded, without decoding it.

    The format is Pillow's name, such as "JPEG". The size (width, height) is that of the image or, if
    they are larger, of its tiles, which are decoded as a whole. Parameters and errors are those of
    `decode_image`.
    """
    return _opened(io.BytesIO(content), name, lambda image: (image.format or "", _decoded_size(image)))


def _decoded_size(image: Image.Image) -> tuple[int, int]:
    tags = getattr(image, "tag_v2", {})  # of TIFF
    width, height = (int(tags.get(number, 0)) for number in (_TILE_WIDTH, _TILE_LENGTH))
    return max(image.size, (width, height), key=lambda size: size[0] * size[1])


def _decoded(source: Source, name: str, options: PixelOptions) -> Image.Image:
    return _opened(source, name, lambda image: _read(image, source, options))


def _opened(source: Source, name: str, work: Callable[[Image.Image], T]) -> T:
    try:
        return _with_image(source, work)
    except (ImageError, MemoryError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        # Pillow's decoders raise many types on broken files (OSError, SyntaxError, ValueError,
        # struct.error, DecompressionBombError). They all mean the same to the user. Those of plugins in
        # Rust may panic, which is no subclass of Exception and would end the thread of a server.
        raise ImageError(_reason(source, name, error)) from error


def _with_image(source: Source, work: Callable[[Image.Image], T]) -> T:
    """Return the result of `work` for an open image; PNG files with much text are opened without it."""
    try:
        with open_image(source) as image:
            return work(image)
    except ValueError as error:
        if not is_too_much_text(error):
            raise
    with open_image(io.BytesIO(without_text(content_of(source)))) as image:
        return work(image)


def _read(image: Image.Image, source: Source, options: PixelOptions) -> Image.Image:
    is_16bit_colour = pixels.is_16bit_colour(image)
    turned = pixels.orientation(image, source)
    load(image)
    found = _damage(image, source)
    return finished(image, options, turned, is_16bit_colour=is_16bit_colour, found=found)


def _damage(image: Image.Image, source: Source) -> list[ImageRemark]:
    if image.format not in ("JPEG", "MPO"):  # other decoders of Pillow refuse damaged data
        return []
    text = jpeg_damage(content_of(source))
    return [ImageRemark("damaged", text)] if text else []


def _reason(source: Source, name: str, error: BaseException) -> str:
    from PIL import Image, UnidentifiedImageError

    if isinstance(error, FileNotFoundError):
        if _URL.match(str(source)):
            return "the file is missing; URLs are not read here, download the image first"
        return "the file is missing"
    if _is_empty(source):
        return "the file is empty"
    if isinstance(error, UnidentifiedImageError) and (known := unread_format(source)):
        return known
    if isinstance(error, Image.DecompressionBombError):
        return f"{error} Make the image smaller"
    if isinstance(error, OSError) and error.errno and error.strerror:  # of the system: not "[Errno 13]"
        return error.strerror[:1].lower() + error.strerror[1:]
    # Pillow's message has the full path in quotes or, for bytes, the repr of the BytesIO object.
    shown, better = (str(source), name) if isinstance(source, Path) else (repr(source), repr(name))
    return " ".join(str(error).replace(shown, better).split()) or repr(error)


def _is_empty(source: Source) -> bool:
    with contextlib.suppress(OSError, ValueError):
        if isinstance(source, io.BytesIO):
            return not source.getbuffer().nbytes
        return source.is_file() and source.stat().st_size == 0
    return False


def squash(image: Image.Image, size: int) -> NDArray[np.uint8]:
    """Resize an RGB image to a square, without keeping its aspect ratio.

    Returns a (size, size, 3) uint8 array, resized with Pillow's bilinear filter.
    """
    import numpy as np
    from PIL import Image

    if image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(image, dtype=np.uint8)
