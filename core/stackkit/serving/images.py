"""Look at uploaded images before they are decoded: what they are, and how many pixels they have."""

from __future__ import annotations

from PIL import Image, UnidentifiedImageError

from stackkit.api.errors import ImageError
from stackkit.api.images import image_header
from stackkit.serving.limits import Limits
from stackkit.serving.refusal import Refusal
from stackkit.serving.uploads import Upload

FORMATS = frozenset(
    "AVIF BMP DIB GIF HEIF JPEG JPEG2000 JXL MPO PNG PPM TGA TIFF WEBP".split()  # noqa: SIM905
)
"""Formats that the server decodes. Others of Pillow start programs (EPS), or hide images of any size
behind a small header (ICO, ICNS)."""

_MOST_SCANS = 32
"""Scans of the largest image; smaller images may have more."""


def checked_pixels(upload: Upload, limits: Limits) -> int:
    """Return the number of pixels of an image, from its header.

    Raises
    ------
    Refusal
        413 if there are too many, 415 if it is no image or of another format, 422 if it is empty or
        its header is damaged.

    """
    shown = upload.name or "the image"
    named = [upload.name] if upload.name else []
    if not upload.content:
        raise Refusal(422, f"{shown} is empty", named)
    try:
        kind, (width, height) = image_header(upload.content, shown)
    except ImageError as error:
        raise Refusal(_status(error.__cause__), f"{shown}: {error}", named) from None
    if kind not in FORMATS:
        raise Refusal(415, f"{shown} is a {kind} file; send JPEG, PNG, WebP, TIFF, HEIC or AVIF", named)
    if width * height > limits.image_pixels:
        raise Refusal(
            413,
            f"{shown} has {width} x {height} pixels; at most {limits.image_pixels / 1e6:g} million "
            "are allowed; make it smaller",
            named,
        )
    if kind in ("JPEG", "MPO"):
        _check_scans(upload, width * height, limits)
    return width * height


def _check_scans(upload: Upload, pixels: int, limits: Limits) -> None:
    """Refuse JPEG files whose decoding takes minutes.

    A progressive file passes over all pixels once per scan, and a scan that changes nothing takes few
    bytes. Cameras and programs write about ten. The marker is not in image data, but may be in the data
    before it by chance.
    """
    if upload.content.count(b"\xff\xda") * pixels > _MOST_SCANS * limits.image_pixels:
        shown = upload.name or "the image"
        raise Refusal(413, f"{shown} has too many scans for its size; save it again", [upload.name])


def _status(cause: BaseException | None) -> int:
    if isinstance(cause, Image.DecompressionBombError):
        return 413
    return 415 if isinstance(cause, UnidentifiedImageError) else 422
