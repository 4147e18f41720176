"""Read any image as RGB from a file or from bytes, fingerprint it, squash it to a network's square."""

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
    """32 hexadecimal digits (BLAKE2b-128) of `content`."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def file_fingerprint(path: Path) -> str:
    """The fingerprint of a file's bytes; raises OSError if it cannot be read."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def read_image(path: Path) -> Image.Image:
    """The first frame of an image file, mode RGB, fully decoded.

    Pixels are those of Pillow's `convert("RGB")`, which is also what Keras' `load_img` gives:
    alpha is dropped and EXIF orientation is not applied. 16-bit grey is scaled to 8 bits,
    where Pillow would clip it. Raises ImageError with the reason if the file is no whole image.
    """
    return _decoded(path, path.name)


def decode_image(content: bytes, name: str) -> Image.Image:
    """The image that a file of these bytes would be to `read_image`, wherever they are kept.

    So that archives and databases need not be unpacked. `bytes_fingerprint(content)` is the image's
    fingerprint, the same as that of such a file, so that features serve both. `name` stands in errors
    where a file's would. Raises ImageError with the reason if the bytes are no whole image.
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
        # struct.error, DecompressionBombError ...); each means the same to the user.
        raise ImageError(_reason(source, name, error)) from error


def _open(source: Path | io.BytesIO) -> Image.Image:
    from PIL import Image

    # Warning filters belong to the whole process: two threads that change them at once could
    # leave them changed. The lock spans the file's header only; pixels are decoded outside it.
    with _FILTERS, warnings.catch_warnings():
        # Pillow warns from 89 megapixels on and refuses at twice that; only the refusal counts.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return Image.open(source)


def _reason(source: Path | io.BytesIO, name: str, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "the file is missing"
    if _is_empty(source):
        return "the file is empty"
    # Pillow shows a path within quotes, and of bytes the object that they are read from.
    shown, wanted = (str(source), name) if isinstance(source, Path) else (repr(source), repr(name))
    return " ".join(str(error).replace(shown, wanted).split()) or repr(error)


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
        image = image.convert("RGBA")  # Pillow's own advice for palettes with transparency
    return image.convert("RGB")


def _from_16_bit(image: Image.Image) -> Image.Image:
    import numpy as np
    from PIL import Image

    pixels = np.asarray(image).astype(np.int64)
    if pixels.min() < 0 or pixels.max() > 65535:
        raise ImageError("32-bit pixels have no defined range; save the image as 8 or 16 bits")
    return Image.fromarray(((pixels + 128) // 257).astype(np.uint8)).convert("RGB")


def squash(image: Image.Image, size: int) -> NDArray[np.uint8]:
    """RGB image of any shape -> (size, size, 3) uint8, squashed with Pillow's bilinear filter."""
    import numpy as np
    from PIL import Image

    if image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(image, dtype=np.uint8)
