"""What the pixels of an image file mean: which side is up, what is behind them, which value is white."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from stackkit.api.errors import ImageError, UsageError
from stackkit.api.image_files import Source, content_of, silence

if TYPE_CHECKING:
    from PIL import Image

WHITE_16BIT = 65535
"""The largest 16-bit value."""

SMALL_RANGE = 4
"""16-bit images that use less than this part of the range, a quarter, are mentioned in the report."""

RemarkKind: TypeAlias = Literal[
    "damaged", "turned", "not-turned", "alpha-dropped", "on-background", "16-bit-dark",
    "16-bit-colour-dark", "16-bit-scaled",
]  # fmt: skip
"""What is special about the pixels of an image; see docs/how-to/image-files.md."""

_BAND = 1 << 18
"""Pixels of 16 bits that are scaled at a time."""

_ORIENTATION = 0x0112
_INFO = "stackkit remarks"


@dataclass(frozen=True, slots=True)
class ImageRemark:
    """Something about the pixels of an image that the report mentions."""

    kind: RemarkKind
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelOptions:
    """How the pixels of image files are read; the values of `pixel_options`.

    Attributes
    ----------
    orientation : {"ignore", "exif"}
        "exif" turns an image upright by its EXIF orientation. "ignore" leaves the pixels as they are in
        the file, as Keras' `load_img` does. TIFF images are always upright, in Keras too.
    background : str or None
        The colour that is visible through transparent pixels: a name such as "white", or "#rrggbb".
        None drops the alpha channel, as Keras does: the colours under it become visible.
    scale_16bit : int or "image"
        The value of 16-bit grey images that becomes white, from 1 to 65535; larger ones are white, too.
        "image" makes the smallest value of each image black, and its largest one white.

    Raises
    ------
    UsageError
        If `background` is not a colour.

    """

    orientation: Literal["ignore", "exif"] = "ignore"
    background: str | None = None
    scale_16bit: int | Literal["image"] = WHITE_16BIT

    def __post_init__(self) -> None:
        if self.background is not None:
            _colour(self.background)

    def changes(self, image: Image.Image, source: Source) -> str:
        """Return what these options change in an image that is open: "" for nothing.

        It is added to the fingerprint of the image, so that features of other pixels are not reused.
        """
        parts = []
        if self.orientation == "exif" and orientation(image, source) != 1:
            parts.append("-exif")
        if self.background is not None and has_alpha(image):
            parts.append("-on-{:02x}{:02x}{:02x}".format(*_colour(self.background)))
        if self.scale_16bit != WHITE_16BIT and is_16bit_grey(image):
            parts.append(f"-16bit-{self.scale_16bit}")
        return "".join(parts)


DEFAULT_PIXELS = PixelOptions()
"""Pixels as Pillow and Keras read them, apart from 16-bit grey."""


def remarks(image: Image.Image) -> tuple[ImageRemark, ...]:
    """Return the remarks on an image that `read_image` or `decode_image` returned, or a copy of it."""
    found: tuple[ImageRemark, ...] = image.info.get(_INFO, ())
    return found


def with_remarks(image: Image.Image, found: Iterable[ImageRemark]) -> Image.Image:
    """Attach remarks to an image, and return it."""
    image.info[_INFO] = tuple(found)
    return image


def has_remarks(image: Image.Image) -> bool:
    """Return whether `read_image` or `decode_image` returned this image, or one that it comes from."""
    return _INFO in image.info


def orientation_in_memory(image: Image.Image) -> int:
    """Return the EXIF orientation of an image that is loaded, from 1 (upright) to 8."""
    if image.format == "TIFF":  # Pillow has turned it upright
        return 1
    try:
        found = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # as in `orientation`
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def orientation(image: Image.Image, source: Source) -> int:
    """Return the EXIF orientation of an image that is open and not loaded, from 1 (upright) to 8."""
    if image.format == "TIFF":  # Pillow turns it upright while it loads the pixels
        return 1
    try:
        if image.format == "PNG" and not _may_have_exif(content_of(source)):
            return 1  # getexif would decode all pixels to look behind them
        if image.format == "PNG":
            image.load()  # outside of the silence, which locks out other threads
        with silence():
            found = image.getexif().get(_ORIENTATION, 1)
    except MemoryError:
        raise
    except Exception:  # damaged EXIF data raise many types, and the pixels are fine
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _may_have_exif(png: bytes) -> bool:
    return any(name in png for name in (b"eXIf", b"Raw profile type", b"XML:com.adobe.xmp"))


def upright(image: Image.Image, turned: int) -> Image.Image:
    """Turn an image upright that has this EXIF orientation."""
    from PIL import Image

    how = Image.Transpose
    methods = {
        2: how.FLIP_LEFT_RIGHT,
        3: how.ROTATE_180,
        4: how.FLIP_TOP_BOTTOM,
        5: how.TRANSPOSE,
        6: how.ROTATE_270,
        7: how.TRANSVERSE,
        8: how.ROTATE_90,
    }
    return image.transpose(methods[turned]) if turned in methods else image


def has_alpha(image: Image.Image) -> bool:
    """Return whether an image has an alpha channel or a transparent colour."""
    return image.has_transparency_data and not is_16bit_grey(image)


def is_16bit_grey(image: Image.Image) -> bool:
    """Return whether the pixels are integers of more than 8 bits."""
    return image.mode.startswith("I")


def without_alpha(image: Image.Image, options: PixelOptions) -> tuple[Image.Image, bool]:
    """Return an image with alpha as RGB, and whether any of its pixels is transparent."""
    from PIL import Image

    rgba = image.convert("RGBA")
    is_transparent = rgba.getchannel("A").getextrema() != (255, 255)
    if options.background is not None:
        behind = Image.new("RGBA", rgba.size, (*_colour(options.background), 255))
        return Image.alpha_composite(behind, rgba).convert("RGB"), is_transparent
    # Pillow recommends the way by RGBA for palettes: convert("RGB") warns otherwise.
    return (rgba if image.mode == "P" else image).convert("RGB"), is_transparent


def from_16bit_grey(image: Image.Image, options: PixelOptions) -> tuple[Image.Image, bool]:
    """Return a 16-bit grey image as RGB, and whether it uses a small part of the 16-bit range.

    Raises
    ------
    ImageError
        If a value is not from 0 to 65535.

    """
    import numpy as np
    from PIL import Image

    pixels = np.asarray(image)
    low, high = int(pixels.min()), int(pixels.max())
    if low < 0 or high > WHITE_16BIT:
        raise ImageError("32-bit pixels have no defined range; save the image as 8 or 16 bits")
    black, white = 0, options.scale_16bit
    if white == "image":
        # An image of one value has no range; as without scaling, it keeps its brightness.
        black, white = (low, high) if high > low else (0, WHITE_16BIT)
    span = white - black
    scaled = np.empty(pixels.shape, np.uint8)
    rows = max(1, _BAND // image.width)
    for start in range(0, image.height, rows):
        # Pillow opens 16-bit files as 32-bit integers or in byte orders of their own; int64 holds them
        # all. In bands, as it has four times as many bytes.
        band = pixels[start : start + rows].astype(np.int64)
        # Rounds to the nearest 8-bit value, in integers only. Without scaling, 65535 = 255 * 257.
        scaled[start : start + rows] = (np.minimum(band - black, span) * 510 + span) // (2 * span)
    is_dark = (high - low) * SMALL_RANGE < WHITE_16BIT
    return Image.fromarray(scaled).convert("RGB"), is_dark


def is_16bit_colour(image: Image.Image) -> bool:
    """Return whether an image that is open and not loaded has 16 bits per colour; Pillow reads 8."""
    tiles = getattr(image, "tile", ())  # (decoder, box, offset, arguments such as "RGB;16B")
    return not is_16bit_grey(image) and any(";16" in str(tile[3]) for tile in tiles)


def uses_small_range(rgb: Image.Image) -> bool:
    """Return whether the colours of an image are in a small part of the range from 0 to 255."""
    extrema = rgb.getextrema()
    low = min(int(channel[0]) for channel in extrema if isinstance(channel, tuple))
    high = max(int(channel[1]) for channel in extrema if isinstance(channel, tuple))
    return (high - low) * SMALL_RANGE < 255


def _colour(text: str) -> tuple[int, int, int]:
    from PIL import ImageColor

    try:
        red, green, blue = ImageColor.getrgb(text)[:3]
    except ValueError:
        raise UsageError(f"background must be the name of a colour or #rrggbb, got {text!r}") from None
    return red, green, blue
