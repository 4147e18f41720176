"""Read images as RGB from files or bytes, compute their fingerprints, and resize them for networks."""

from __future__ import annotations

import contextlib
import hashlib
import io
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from stackkit.api.errors import ImageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

_FILTERS = threading.Lock()


def bytes_fingerprint(content: bytes) -> str:
    """Return the fingerprint of an image's encoded bytes.

    Parameters
    ----------
    content : bytes
        The whole content of an image file.

    Returns
    -------
    str
        32 hexadecimal digits (BLAKE2b with a digest of 128 bits). Equal content has an equal
        fingerprint, wherever it is kept.

    """
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def file_fingerprint(path: Path) -> str:
    """Return the fingerprint of a file, which is `bytes_fingerprint` of its content.

    Parameters
    ----------
    path : pathlib.Path
        An image file. It is read in blocks, so its size does not matter.

    Returns
    -------
    str
        32 hexadecimal digits.

    Raises
    ------
    OSError
        If the file cannot be read.

    """
    # The same digest as bytes_fingerprint; file_digest releases the GIL and uses a fixed buffer.
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def read_image(path: Path) -> Image.Image:
    """Read an image file and return its first frame as RGB.

    Parameters
    ----------
    path : pathlib.Path
        A file in any format that Pillow reads.

    Returns
    -------
    PIL.Image.Image
        Mode RGB, fully decoded; the file is closed.

    Raises
    ------
    ImageError
        With the reason, if the file is missing, empty, truncated or not an image, or if its pixels
        have no defined range (floating-point, 32-bit).

    Notes
    -----
    Pixels equal those of Pillow's `convert("RGB")` and of `keras.utils.load_img`: alpha is dropped, and
    the EXIF orientation is not applied. 16-bit grey is scaled to 8 bits, where Pillow clips it.
    Safe to call from several threads.

    """
    return _decoded(path, path.name)


def decode_image(content: bytes, name: str) -> Image.Image:
    """Decode the bytes of an image file, for images in archives or databases.

    Parameters
    ----------
    content : bytes
        The whole content of an image file.
    name : str
        What error messages call the image, instead of a file name.

    Returns
    -------
    PIL.Image.Image
        The same image as `read_image` returns for a file with this content.

    Raises
    ------
    ImageError
        As for `read_image`.

    See Also
    --------
    bytes_fingerprint : The fingerprint of the same bytes. It equals that of an unpacked file, so stored
        features are reused for both.

    """
    return _decoded(io.BytesIO(content), name)


def _decoded(source: Path | io.BytesIO, name: str) -> Image.Image:
    try:
        with _open(source) as image:
            image.load()
            return _to_rgb(image)
    except ImageError:
        raise
    except Exception as error:
        # Pillow's decoders raise many types on broken files (OSError, SyntaxError, ValueError,
        # struct.error, DecompressionBombError). They all mean the same to the user.
        raise ImageError(_reason(source, name, error)) from error


def _open(source: Path | io.BytesIO) -> Image.Image:
    from PIL import Image

    # Warning filters belong to the whole process: two threads that change them at the same time
    # could leave them changed. Only the header is read under the lock; pixels are decoded outside.
    with _FILTERS, warnings.catch_warnings():
        # Pillow warns above 89 megapixels and raises above twice that. Large photographs are valid.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return Image.open(source)


def _reason(source: Path | io.BytesIO, name: str, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "the file is missing"
    if _is_empty(source):
        return "the file is empty"
    # Pillow's message has the full path in quotes or, for bytes, the repr of the BytesIO object.
    shown, better = (str(source), name) if isinstance(source, Path) else (repr(source), repr(name))
    return " ".join(str(error).replace(shown, better).split()) or repr(error)


def _is_empty(source: Path | io.BytesIO) -> bool:
    with contextlib.suppress(OSError, ValueError):
        if isinstance(source, io.BytesIO):
            return not source.getbuffer().nbytes
        return source.is_file() and source.stat().st_size == 0
    return False


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        return _from_16_bit(image)
    if image.mode == "F":
        raise ImageError("floating-point pixels have no defined range; save the image as 8 or 16 bits")
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # as Pillow recommends: convert("RGB") warns otherwise
    return image.convert("RGB")


def _from_16_bit(image: Image.Image) -> Image.Image:
    import numpy as np
    from PIL import Image

    # Pillow opens 16-bit files as 32-bit integers or in byte orders of their own; int64 holds them all.
    pixels = np.asarray(image).astype(np.int64)
    if pixels.min() < 0 or pixels.max() > 65535:
        raise ImageError("32-bit pixels have no defined range; save the image as 8 or 16 bits")
    # 65535 = 255 * 257, so this rounds to the nearest 8-bit value, in integers only.
    return Image.fromarray(((pixels + 128) // 257).astype(np.uint8)).convert("RGB")


def squash(image: Image.Image, size: int) -> NDArray[np.uint8]:
    """Resize an RGB image to a square, without keeping its aspect ratio.

    Returns a (size, size, 3) uint8 array, resized with Pillow's bilinear filter.
    """
    import numpy as np
    from PIL import Image

    if image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(image, dtype=np.uint8)
