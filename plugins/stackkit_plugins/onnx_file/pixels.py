"""Find out what input a network takes, and make it from RGB images."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stackkit.api import UsageError, WeightsError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from stackkit_plugins.onnx_file.reading import OnnxFile

_IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}

# https://github.com/onnx/onnx/blob/main/docs/MetadataProps.md
_RANGES = {
    "NominalRange_0_255": {"scale": 255.0, "mean": "0", "std": "1"},
    "Normalized_0_1": {"scale": 1.0, "mean": "0", "std": "1"},
    "Normalized_1_1": {"scale": 1.0, "mean": "0.5", "std": "0.5"},
}
_FORMATS = {"Rgb8": {"channels": "rgb"}, "Bgr8": {"channels": "bgr"}}
_TYPES = {"FLOAT": "float32", "FLOAT16": "float16", "DOUBLE": "float64", "UINT8": "uint8"}


@dataclass(frozen=True, kw_only=True)
class Pixels:
    """The input of a network.

    Attributes
    ----------
    name : str
        Name of the input.
    dtype : str
        NumPy's name of its type.
    size : int
        Side in pixels.
    batch : int or None
        Images per call if the file fixes their number.
    layout : {"nchw", "nhwc"}
    channels : {"rgb", "bgr"}
    scale : float
        Value of white before mean and standard deviation.
    mean, std : tuple of float
        For red, green and blue, whatever the order of the network's channels.

    """

    name: str
    dtype: str
    size: int
    batch: int | None
    layout: str
    channels: str
    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one image."""
        side = self.size
        return (3, side, side) if self.layout == "nchw" else (side, side, 3)

    def __str__(self) -> str:
        """Return everything that features depend on."""
        mean, std = ("/".join(f"{value:.9g}" for value in each) for each in (self.mean, self.std))
        return (
            f"input={self.name};size={self.size};layout={self.layout};channels={self.channels};"
            f"scale={self.scale:.9g};mean={mean};std={std}"
        )

    def prepared(self, images: NDArray[np.float32]) -> NDArray[Any]:
        """(n, size, size, 3) RGB from 0 to 255 -> what the network takes, in its type and layout."""
        import numpy as np

        if self.dtype != "uint8":
            mean, std = (np.array(each, np.float32) for each in (self.mean, self.std))
            images = (images * np.float32(self.scale / 255) - mean) / std
        if self.channels == "bgr":
            images = images[..., ::-1]
        if self.layout == "nchw":
            images = images.transpose(0, 3, 1, 2)
        return np.ascontiguousarray(images, self.dtype)


def find_pixels(file: OnnxFile, options: Mapping[str, Any]) -> Pixels:
    """Return the input of a network.

    Parameters
    ----------
    file : OnnxFile
        The network.
    options : mapping
        What the user, or the file's metadata under `stackkit.NAME`, says: `size`, `layout`,
        `channels`, `scale`, `mean` and `std`; None or "auto" if unknown.

    Raises
    ------
    UsageError
        If something is unknown, or contradicts the file.
    WeightsError
        If the network does not take one batch of square colour images.

    """
    value = _only_input(file)
    dtype, shape = _image_type(file, value)
    layout = _layout(file, value.name, shape, options["layout"])
    said = {
        **_scaling_in_metadata(file),
        **{k: v for k, v in options.items() if v not in (None, "auto")},
    }
    if dtype == "uint8":
        if given := [name for name in ("scale", "mean", "std") if options[name] is not None]:
            raise UsageError(
                f"{file.path} takes uint8 pixels and scales them itself; remove {given[0]}="
            )
        said |= {"scale": 255.0, "mean": "0", "std": "1"}
    for name in ("mean", "std"):
        if name not in said:
            raise UsageError(
                f"{file.path} does not say how its input is scaled: pass mean= and std= for RGB from 0 "
                "to 1, such as mean=imagenet,std=imagenet; add scale=255 if they are for 0 to 255"
            )
    scale = said.get("scale", 1.0)
    return Pixels(
        name=value.name,
        dtype=dtype,
        size=_side(file, shape, layout, options["size"]),
        batch=shape[0] or None,
        layout=layout,
        channels=said.get("channels", "rgb"),
        scale=scale,
        mean=_colour(file, "mean", said["mean"], scale),
        std=_colour(file, "std", said["std"], scale),
    )


def _only_input(file: OnnxFile) -> Any:
    graph = file.model.graph
    constants = {tensor.name for tensor in graph.initializer}  # old files list weights as inputs too
    inputs = [value for value in graph.input if value.name not in constants]
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs) or "none"
        raise WeightsError(
            f"{file.path} has {len(inputs)} inputs ({names}), one is allowed; "
            "export the part of the network that takes the image"
        )
    return inputs[0]


def _image_type(file: OnnxFile, value: Any) -> tuple[str, tuple[int, ...]]:
    """Return dtype and shape of the input; 0 for sizes that the file leaves open."""
    from onnx import TensorProto

    tensor = value.type.tensor_type
    kinds = {number: name for name, number in TensorProto.DataType.items()}
    kind = kinds.get(tensor.elem_type, "an unknown type")
    if kind not in _TYPES:
        raise WeightsError(
            f"{file.path} takes {kind.lower()}, allowed are {', '.join(_TYPES.values())}; "
            "export it with an input of one of these types"
        )
    shape = tuple(max(dim.dim_value, 0) for dim in tensor.shape.dim)
    if len(shape) != 4:
        raise WeightsError(
            f"{file.path} takes {value.name} of shape {_shown(shape)}, not a batch of images (4 axes)"
        )
    return _TYPES[kind], shape


def _layout(file: OnnxFile, name: str, shape: tuple[int, ...], given: str) -> str:
    axes = {"nchw": 1, "nhwc": 3}
    possible = [layout for layout, axis in axes.items() if shape[axis] == 3]
    if given == "auto":
        if len(possible) == 1:
            return possible[0]
        if all(shape[axis] for axis in axes.values()) and not possible:
            raise WeightsError(f"{file.path} takes {name} of shape {_shown(shape)}, not RGB images")
        raise UsageError(
            f"{file.path} takes {name} of shape {_shown(shape)}, which does not say where its 3 "
            "channels are; pass layout=nchw or layout=nhwc"
        )
    if shape[axes[given]] not in (0, 3):
        raise UsageError(
            f"{file.path} takes {name} of shape {_shown(shape)}, which has no 3 channels with "
            f"layout={given}" + (f"; pass layout={possible[0]}" if possible else "")
        )
    return given


def _side(file: OnnxFile, shape: tuple[int, ...], layout: str, given: int | None) -> int:
    height, width = shape[2:] if layout == "nchw" else shape[1:3]
    if height and width and height != width:
        raise WeightsError(f"{file.path} takes images of {height} x {width} pixels, not square ones")
    fixed = height or width
    if fixed and given not in (None, fixed):
        raise UsageError(f"{file.path} takes images of {fixed} pixels only, got size={given}")
    if not (fixed or given):
        raise UsageError(f"{file.path} takes images of any size; pass the size of its training by size=")
    return fixed or given or 0


def _scaling_in_metadata(file: OnnxFile) -> dict[str, Any]:
    """Return what the standard metadata of images says."""
    found = file.metadata
    return {
        **_RANGES.get(found.get("Image.NominalPixelRange", ""), {}),
        **_FORMATS.get(found.get("Image.BitmapPixelFormat", ""), {}),
    }


def _colour(file: OnnxFile, name: str, text: str, scale: float) -> tuple[float, ...]:
    """Return three numbers for "imagenet", one number, or three with "/" or "," between them."""
    if text == "imagenet":
        return tuple(scale * value for value in _IMAGENET[name])
    try:
        values = tuple(map(float, re.split(r"[/,\s]+", text.strip("[]() "))))
    except ValueError:
        values = ()
    allowed = len(values) in (1, 3) and all(map(math.isfinite, values))
    if not allowed or (name == "std" and min(values) <= 0):
        above = " > 0" if name == "std" else ""
        raise UsageError(
            f"{file.path}: {name} must be a number{above}, three of them such as 0.5/0.4/0.3, "
            f"or imagenet, got {text!r}"
        )
    return values * 3 if len(values) == 1 else values


def _shown(shape: tuple[int, ...]) -> str:
    return f"({', '.join(str(n or '?') for n in shape)})"
