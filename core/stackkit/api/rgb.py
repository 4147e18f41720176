"""Load the pixels of images that Pillow has opened, and make RGB of every mode."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stackkit.api import pixels
from stackkit.api.errors import ImageError
from stackkit.api.pixels import DEFAULT_PIXELS, ImageRemark, PixelOptions, RemarkKind

if TYPE_CHECKING:
    from PIL import Image


def rgb_of(image: Image.Image, options: PixelOptions = DEFAULT_PIXELS) -> Image.Image:
    """Return an image that Pillow opened or made as RGB, as `read_image` returns that of a file.

    Parameters
    ----------
    image : PIL.Image.Image
        Any mode and size. What `read_image` or `decode_image` returned is returned as it is.
    options : PixelOptions
        What its pixels mean.

    Raises
    ------
    ImageError
        If the pixels cannot be decoded, or have no defined range (floating-point, 32-bit).
    MemoryError
        If they do not fit in memory.

    """
    if pixels.has_remarks(image):
        return image
    try:
        is_16bit_colour = pixels.is_16bit_colour(image)
        load(image)
        turned = pixels.orientation_in_memory(image)
        return finished(image, options, turned, is_16bit_colour=is_16bit_colour, found=[])
    except (ImageError, MemoryError):
        raise
    except Exception as error:  # as for files, see images._decoded
        raise ImageError(" ".join(str(error).split()) or repr(error)) from error


def finished(
    image: Image.Image,
    options: PixelOptions,
    turned: int,
    *,
    is_16bit_colour: bool,
    found: list[ImageRemark],
) -> Image.Image:
    """Return an image that is loaded as RGB, upright if the options say so, with all remarks on it."""
    rgb, more = _to_rgb(image, options)
    found = more + found
    if is_16bit_colour and pixels.uses_small_range(rgb):
        found.append(ImageRemark("16-bit-colour-dark"))
    if turned != 1 and options.orientation == "ignore":
        found.append(ImageRemark("not-turned"))
    elif turned != 1:
        rgb = pixels.upright(rgb, turned)
        found.append(ImageRemark("turned"))
    return pixels.with_remarks(rgb, found)


def load(image: Image.Image) -> None:
    """Decode the pixels; raises MemoryError also if a decoder reports it otherwise."""
    import numpy as np

    try:
        image.load()
    except OSError as error:
        if "out of memory" in str(error):
            raise MemoryError(_size(image)) from error
        # libjpeg reports data that it cannot decode and memory that it cannot get by the same number.
        # The coefficients of a progressive file take 6 bytes per pixel, and its pixels 4.
        try:
            np.empty(10 * image.width * image.height, np.uint8)  # reserved, not touched
        except MemoryError:
            raise MemoryError(_size(image)) from error
        raise
    except MemoryError as error:
        raise MemoryError(_size(image)) from error


def _size(image: Image.Image) -> str:
    return f"{image.width} x {image.height} pixels"


def _to_rgb(image: Image.Image, options: PixelOptions) -> tuple[Image.Image, list[ImageRemark]]:
    if pixels.is_16bit_grey(image):
        rgb, is_dark = pixels.from_16bit_grey(image, options)
        if options.scale_16bit != pixels.WHITE_16BIT:
            return rgb, [ImageRemark("16-bit-scaled")]
        return rgb, [ImageRemark("16-bit-dark")] if is_dark else []
    if image.mode == "F":
        raise ImageError("floating-point pixels have no defined range; save the image as 8 or 16 bits")
    if pixels.has_alpha(image):
        rgb, is_transparent = pixels.without_alpha(image, options)
        kind: RemarkKind = "alpha-dropped" if options.background is None else "on-background"
        return rgb, [ImageRemark(kind)] if is_transparent else []
    return image.convert("RGB"), []
