"""Draw the regions that an answer depends on as a transparent layer above the image."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from stackkit.explanation.occlusion import OcclusionMap

if TYPE_CHECKING:
    from PIL import Image

FOR, AGAINST = (230, 85, 13), (33, 102, 172)
"""Colours of regions that speak for the class and against it; also told apart by colour-blind people."""

_SIDE = 256
_STRONGEST = 190


def overlay(regions: OcclusionMap) -> Image.Image:
    """Return a layer of mode RGBA; the region with the largest influence is the least transparent."""
    from PIL import Image

    largest = float(np.abs(regions.falls).max())
    # Below a tenth of a percent nothing depends on any region: such a map stays empty.
    strength = regions.falls / largest if largest > 0.001 else np.zeros_like(regions.falls)
    small = Image.fromarray(strength.astype(np.float32))
    smooth = np.asarray(small.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC)).clip(-1, 1)
    layer = np.empty((_SIDE, _SIDE, 4), dtype=np.uint8)
    layer[..., :3] = np.where(smooth[..., None] >= 0, FOR, AGAINST)
    layer[..., 3] = (np.abs(smooth) * _STRONGEST).round()
    return Image.fromarray(layer)


def overlay_png(regions: OcclusionMap) -> bytes:
    """Return the layer as a PNG file; it is stretched to the shape of the image."""
    stream = io.BytesIO()
    overlay(regions).save(stream, "PNG", optimize=True)
    return stream.getvalue()
