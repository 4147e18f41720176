"""Which pixels of an image a network sees: the part of the image (view), and how it becomes a square."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stackkit.api.images import squash

if TYPE_CHECKING:
    from PIL import Image

Region: TypeAlias = tuple[float, float, float, float]
"""Left, top, right and bottom edge of a part of an image, in pixels; fractions are allowed."""

WHOLE, ATTENTION, MIRROR = "whole", "attention", "mirror"

CROP = 0.8
"""Width and height of a crop, relative to the image."""

_REST = round(1 - CROP, 9)

CROPS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "crop-top-left": (0, 0),
        "crop-top-right": (_REST, 0),
        "crop-bottom-left": (0, _REST),
        "crop-bottom-right": (_REST, _REST),
        "crop-centre": (_REST / 2, _REST / 2),
    }
)
"""Left and top edge of each crop, relative to the image."""

VIEWS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"mirror": (MIRROR,), "crops": tuple(CROPS), "attention": (ATTENTION,)}
)
"""The views that each value of the option `views` stands for, in the order of a backbone's matrices."""

PADDING = 127
"""Grey around an image with `resize=pad`; most networks take it as 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """How pixels of an image become the input of a network; equal geometries give equal pixels.

    Parameters
    ----------
    size : int
        Side of the square in pixels.
    resize : {"squash", "crop", "pad"}
        How the part of the image becomes a square: its aspect ratio is changed, only its centre is used,
        or it is padded.
    view : str
        "whole", or a view of `VIEWS`.
    boxes : str
        Name of the boxes of an attention view: the folder of their features in the store; else "".

    """

    size: int
    resize: str = "squash"
    view: str = WHOLE
    boxes: str = ""


def pixels(image: Image.Image, geometry: Geometry, box: Sequence[float] | None) -> NDArray[np.uint8]:
    """Return the pixels of an image that a network sees.

    Parameters
    ----------
    image : PIL.Image.Image
        The whole image, mode RGB.
    geometry : Geometry
        The size, the view and the way to make a square.
    box : sequence of 4 floats or None
        For an attention view, x, y, width and height of the box, relative to the image.

    Returns
    -------
    ndarray of shape (size, size, 3), uint8
        Resized with Pillow's bilinear filter.

    """
    seen = _square(image, geometry, region(image.size, geometry, box))
    return seen[:, ::-1] if geometry.view == MIRROR else seen


def region(image_size: tuple[int, int], geometry: Geometry, box: Sequence[float] | None) -> Region:
    """Return the part of an image of (width, height) pixels that a network sees, see `pixels`."""
    width, height = image_size
    seen: Region = (0.0, 0.0, float(width), float(height))
    if geometry.view == ATTENTION:
        assert box is not None
        seen = _within(seen, box)
    elif geometry.view in CROPS:
        seen = _within(seen, (*CROPS[geometry.view], CROP, CROP))
    return _central_square(seen) if geometry.resize == "crop" else seen


def _within(outer: Region, box: Sequence[float]) -> Region:
    """Return a relative box in pixels: not beyond the outer region, and at least one pixel wide."""
    edges = []
    for low, high, start, length in (
        (outer[0], outer[2], box[0], box[2]),
        (outer[1], outer[3], box[1], box[3]),
    ):
        side = high - low
        first = min(max(low + start * side, low), high - 1)
        edges.append((first, min(max(low + (start + length) * side, first + 1), high)))
    return edges[0][0], edges[1][0], edges[0][1], edges[1][1]


def _central_square(seen: Region) -> Region:
    left, top, right, bottom = seen
    side = min(right - left, bottom - top)
    left, top = (left + right - side) / 2, (top + bottom - side) / 2
    return left, top, left + side, top + side


def _square(image: Image.Image, geometry: Geometry, seen: Region) -> NDArray[np.uint8]:
    from PIL import Image

    size, bilinear = geometry.size, Image.Resampling.BILINEAR
    if geometry.resize != "pad":
        if seen == (0, 0, *image.size):
            return squash(image, size)
        return np.asarray(image.resize((size, size), bilinear, box=seen), dtype=np.uint8)
    width, height = seen[2] - seen[0], seen[3] - seen[1]
    scale = size / max(width, height)
    inside = (max(round(width * scale), 1), max(round(height * scale), 1))
    square = Image.new("RGB", (size, size), (PADDING, PADDING, PADDING))
    square.paste(
        image.resize(inside, bilinear, box=seen), ((size - inside[0]) // 2, (size - inside[1]) // 2)
    )
    return np.asarray(square, dtype=np.uint8)
