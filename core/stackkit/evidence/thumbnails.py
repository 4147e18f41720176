"""Make small JPEG files of images, for a page that shows many of them."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stackkit.api.dataset import Dataset
from stackkit.api.errors import ImageError
from stackkit.api.jpeg_damage import unchecked
from stackkit.extraction.decoding import MAX_THREADS, reason

if TYPE_CHECKING:
    from PIL import Image

LARGE = 96
"""Longer side of an image that is looked at, in pixels."""

SMALL = 40
"""Side of the square that stands for an image on a map, in pixels."""

_QUALITY = 75


@dataclass(frozen=True, slots=True, kw_only=True)
class Thumbnails:
    """Small images of a dataset.

    Parameters
    ----------
    large, small : dict of str to bytes
        JPEG files by id: of at most 96 pixels a side, and squares of 40 from the middle of the image.
    failed : dict of str to str
        Reasons why images have none, by id.

    """

    large: dict[str, bytes] = field(default_factory=dict)
    small: dict[str, bytes] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def make_thumbnails(
    dataset: Dataset,
    large: Collection[str],
    small: Collection[str],
    fingerprints: Mapping[str, str],
    advance: Callable[[int], None] = lambda count: None,
) -> Thumbnails:
    """Decode each image once, on threads, and make what is asked for.

    Parameters
    ----------
    dataset : Dataset
        Decodes the images, so that they are turned as in the run.
    large, small : collection of str
        Ids of images to make thumbnails of.
    fingerprints : mapping of str to str
        Expected fingerprints by id. An image that has another one was replaced, and fails.
    advance : callable
        Called with the number of images that were finished since the last call.

    Returns
    -------
    Thumbnails
        Images that cannot be read, or are not in the dataset any more, are in `failed`.

    """
    numbers = {sample.id: number for number, sample in enumerate(dataset.samples)}
    found, large, small = Thumbnails(), set(large), set(small)

    def make(name: str) -> tuple[bytes | None, bytes | None]:
        image = _same_image(dataset, numbers.get(name), fingerprints.get(name))
        of_large = _jpeg(_within(image, LARGE)) if name in large else None
        of_small = _jpeg(_middle(image, SMALL)) if name in small else None
        return of_large, of_small

    workers = min(MAX_THREADS, os.cpu_count() or 1)
    pool = ThreadPoolExecutor(workers, thread_name_prefix="stackkit-thumbnail")
    try:
        for name, future in {name: pool.submit(make, name) for name in sorted(large | small)}.items():
            try:
                of_large, of_small = future.result()
            except (OSError, ImageError, MemoryError) as error:
                found.failed[name] = reason(error)
            else:
                found.large.update({name: of_large} if of_large else {})
                found.small.update({name: of_small} if of_small else {})
            advance(1)
    finally:
        pool.shutdown(cancel_futures=True)  # after Ctrl-C, images not begun are not decoded
    return found


def _same_image(dataset: Dataset, number: int | None, fingerprint: str | None) -> Image.Image:
    if number is None:
        raise ImageError("it is not in the dataset any more")
    if dataset.fingerprint(number) != fingerprint:
        raise ImageError("it was replaced after the run")
    with unchecked():
        return dataset.image(number)


def _within(image: Image.Image, side: int) -> Image.Image:
    """Return the whole image with its longer side of `side` pixels, at least one pixel wide."""
    scale = min(side / max(image.size), 1)
    width, height = (max(round(each * scale), 1) for each in image.size)
    return image.resize((width, height), reducing_gap=2)


def _middle(image: Image.Image, side: int) -> Image.Image:
    from PIL import ImageOps

    # A single column of pixels has a middle too: fit rounds its crop to at least one pixel.
    return ImageOps.fit(image, (side, side))


def _jpeg(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=_QUALITY, optimize=True)
    return stream.getvalue()
