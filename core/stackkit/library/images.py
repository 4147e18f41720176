"""Images as Python code has them: paths, content of files, Pillow images, arrays and tensors."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stackkit.api.errors import UsageError
from stackkit.api.paths import user_path
from stackkit.prediction.image_sources import find_images

OneImage: TypeAlias = "str | os.PathLike[str] | bytes | Image.Image | NDArray[np.uint8]"
"""A path, the content of an image file, a Pillow image, or pixels."""

_FORM = "(height, width, 3) or (height, width)"


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenImage:
    """An image and what to call it.

    Parameters
    ----------
    name : str
        The path as it was given; "" for an image in memory.
    source : str, bytes or PIL.Image.Image
        The path of a file, the content of one, or an image.

    """

    name: str
    source: str | bytes | Image.Image


def given_images(images: Any) -> list[GivenImage]:
    """Return one entry per image.

    Parameters
    ----------
    images : object
        A path, the content of an image file as bytes, a Pillow image, a uint8 array or tensor of shape
        (height, width, 3), (height, width) or (n, height, width, 3), or an iterable of these.

    Raises
    ------
    UsageError
        If an image is something else.

    """
    if _is_one(images):
        return [_one(images)]
    if hasattr(images, "__array__"):
        return list(_of_array(_array(images)))
    if isinstance(images, Iterable):
        return [each for number, one in enumerate(images) for each in _of_item(number, one)]
    raise _refused(images)


def _is_one(image: Any) -> bool:
    return isinstance(image, str | os.PathLike | bytes | Image.Image)


def _one(image: Any) -> GivenImage:
    if isinstance(image, bytes | Image.Image):
        return GivenImage(name="", source=image)
    name = os.fspath(image)
    return GivenImage(name=name, source=str(user_path(name)))


def _of_item(number: int, image: Any) -> Iterator[GivenImage]:
    if _is_one(image):
        yield _one(image)
        return
    if not hasattr(image, "__array__"):
        raise _refused(image, f"image {number}")
    found = _array(image)
    if found.ndim > 3 or found.dtype.kind in "OUT":
        raise UsageError(f"image {number} must be one image, got an array of shape {found.shape}")
    yield from _of_array(found)


def _of_array(found: NDArray[Any]) -> Iterator[GivenImage]:
    if found.dtype.kind in "OUT":  # paths or images, in an array or a column of a data frame
        if found.ndim == 2 and found.shape[1] == 1:
            found = found[:, 0]
        if found.ndim != 1:
            raise UsageError(f"paths must have shape (n,), got {found.shape}")
        for number, one in enumerate(found.tolist()):
            yield from _of_item(number, one)
    elif found.ndim == 4:
        for pixels in found:
            yield GivenImage(name="", source=_image(pixels))
    else:
        yield GivenImage(name="", source=_image(found))


def _array(images: Any) -> NDArray[Any]:
    try:
        return np.asarray(images)
    except Exception as error:  # a tensor on a GPU, or one that still has a gradient
        raise UsageError(
            f"a {type(images).__name__} cannot be used as an array ({error}); convert it to NumPy first"
        ) from error


def _image(pixels: NDArray[Any]) -> Image.Image:
    """Return pixels (height, width), (height, width, 1), (height, width, 3 or 4) as an image."""
    if pixels.dtype != np.uint8:
        how = "; scale and round them first, such as (255 * x).round().astype('uint8')"
        raise UsageError(
            f"pixels must be uint8 from 0 to 255, got {pixels.dtype}"
            f"{how if pixels.dtype.kind == 'f' else ''}"
        )
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if (
        not pixels.size
        or pixels.ndim not in (2, 3)
        or (pixels.ndim == 3 and pixels.shape[2] not in (3, 4))
    ):
        first = pixels.ndim == 3 and pixels.shape[0] in (1, 3)
        hint = "; the channels must be the last axis" if first else "; pass several images as a list"
        raise UsageError(f"pixels must have shape {_FORM}, got {pixels.shape}{hint}")
    return Image.fromarray(np.ascontiguousarray(pixels))


def _refused(image: Any, name: str = "images") -> UsageError:
    return UsageError(
        f"{name} must be a path, bytes, a Pillow image or a uint8 array, got {type(image).__name__}"
    )


def expanded(image: GivenImage) -> Sequence[GivenImage]:
    """Return the images in a folder or of a pattern; any other image as it is."""
    if not isinstance(image.source, str):
        return [image]
    is_folder = os.path.isdir(image.source)  # noqa: PTH112 - Path.is_dir raises on links to themselves
    is_pattern = glob.has_magic(image.source) and not os.path.lexists(image.source)
    if not (is_folder or is_pattern):
        return [image]
    found = find_images([image.source]).paths
    return [GivenImage(name=each, source=each) for each in found]
