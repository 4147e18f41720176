"""Decode images into arrays of pixels: each once, in order, on threads, ahead of the networks."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stackkit.api.dataset import Dataset, FailedImage
from stackkit.api.errors import ImageError, ImageMemoryError
from stackkit.api.pixels import ImageRemark, remarks
from stackkit.extraction.boxes import Boxes
from stackkit.extraction.geometry import Geometry, pixels

AHEAD = 2
"""Number of chunks that are decoded while another one is in use; it limits the memory for pixels."""

MAX_THREADS = 8
"""Decoding takes about 1 % of the time of networks on a CPU; only a fast GPU needs several threads."""

Remarks: TypeAlias = tuple[ImageRemark, ...]
"""What is special about one image; mostly nothing."""

_Outcome: TypeAlias = FailedImage | Remarks


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Images to decode together, and what to make of each.

    Parameters
    ----------
    numbers : sequence of int
        The images.
    geometries : sequence of Geometry
        What networks see of them.
    boxes : mapping of str to Boxes
        The boxes of these images for attention views, by `Geometry.boxes`.

    """

    numbers: Sequence[int]
    geometries: Sequence[Geometry]
    boxes: Mapping[str, Boxes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Decoded images.

    Parameters
    ----------
    numbers : sequence of int
        The images that were requested.
    rows : list of int
        Those that could be decoded, in the same order.
    pixels : mapping of Geometry to ndarray of shape (len(rows), size, size, 3), uint8
        RGB pixels. Read-only, because backbones of one geometry share them.
    failed : list of FailedImage
        The others, with reasons.
    remarks : mapping of str to tuple of ImageRemark
        What is special about each image in `rows`, by id; mostly nothing.

    """

    numbers: Sequence[int]
    rows: list[int]
    pixels: Mapping[Geometry, NDArray[np.uint8]]
    failed: list[FailedImage]
    remarks: Mapping[str, Remarks]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Started:
    request: Request
    pixels: dict[Geometry, NDArray[np.uint8]]
    outcomes: list[Future[_Outcome]]


class Decoder(AbstractContextManager["Decoder"]):
    """Threads that decode the images of a dataset; use it in a `with` statement.

    Parameters
    ----------
    dataset : Dataset
        The dataset.
    fingerprints : sequence of str or mapping of int to str, optional
        Expected fingerprint by number. An image with another one has been replaced, and fails.
    strict : bool
        Raise ImageError for the first image that fails or is damaged, instead of listing it in its
        chunk.
    threads : int, optional
        Number of threads, at most MAX_THREADS; by default one per core.

    Notes
    -----
    OSError and ImageError mean that an image fails. Any other error is raised where the chunk with the
    image is returned. An image that does not fit in memory is tried again while no other one is decoded;
    if it still does not fit, ImageMemoryError is raised: it may fit on another machine.

    """

    def __init__(
        self,
        dataset: Dataset,
        fingerprints: Sequence[str] | Mapping[int, str] | None = None,
        *,
        strict: bool = False,
        threads: int | None = None,
    ) -> None:
        self._dataset = dataset
        self._fingerprints = fingerprints
        self._strict = strict
        workers = min(MAX_THREADS, threads or os.cpu_count() or 1)
        self._pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="stackkit-decode")
        self._unfinished: deque[_Started] = deque()

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown(cancel_futures=True)  # after an error, images not begun are not decoded

    def chunk(self, request: Request) -> Chunk:
        """Decode one chunk and wait for it."""
        return self._finish(self._start(request))

    def chunks(self, requests: Iterable[Request]) -> Iterator[Chunk]:
        """Yield a chunk for each request, in order; up to AHEAD others are decoded in the meantime."""
        # Not the pool's own queue: it has no limit, and would decode the whole dataset into memory.
        waiting = self._unfinished
        for request in requests:
            waiting.append(self._start(request))
            if len(waiting) > AHEAD:
                yield self._finish(waiting.popleft())
        while waiting:
            yield self._finish(waiting.popleft())

    def _start(self, request: Request) -> _Started:
        # Each thread writes to its own rows of arrays that are shared, so no result has to be copied.
        count = len(request.numbers)
        squares = {
            each: np.empty((count, each.size, each.size, 3), np.uint8) for each in request.geometries
        }
        outcomes = [self._pool.submit(self._decode, request, place, squares) for place in range(count)]
        return _Started(request=request, pixels=squares, outcomes=outcomes)

    def _decode(
        self, request: Request, place: int, squares: Mapping[Geometry, NDArray[np.uint8]]
    ) -> _Outcome:
        row = request.numbers[place]
        try:
            image = self._dataset.image(row)
            for geometry, target in squares.items():
                boxes = request.boxes.get(geometry.boxes)
                box = boxes.on_image(place, image.size) if boxes else None
                target[place] = pixels(image, geometry, box)
            # After decoding, and not before: a file replaced between the two would go unnoticed, and
            # its features would be stored as those of the old image.
            if self._fingerprints and self._dataset.fingerprint(row) != self._fingerprints[row]:
                raise ImageError(
                    "the image was replaced during this run; run again to use the new image"
                )
        except (OSError, ImageError) as error:
            return FailedImage(id=self._dataset.samples[row].id, reason=reason(error))
        return remarks(image)

    def _finish(self, started: _Started) -> Chunk:
        outcomes = [self._outcome(started, place) for place in range(len(started.outcomes))]
        failed = [outcome for outcome in outcomes if isinstance(outcome, FailedImage)]
        numbers, found_pixels = started.request.numbers, started.pixels
        places = [p for p, outcome in enumerate(outcomes) if not isinstance(outcome, FailedImage)]
        rows = [numbers[place] for place in places]
        found = {
            self._dataset.samples[number].id: outcome
            for number, outcome in zip(numbers, outcomes, strict=True)
            if not isinstance(outcome, FailedImage)
        }
        if self._strict and (refused := [*failed, *damaged(found)]):
            raise strict_error(refused[0])
        if failed:  # rows of failed images were never written: np.empty leaves random bytes there
            found_pixels = {each: squares[places] for each, squares in found_pixels.items()}
        for squares in found_pixels.values():
            # A backbone that scales pixels in place would change them for every other backbone.
            squares.flags.writeable = False
        return Chunk(numbers=numbers, rows=rows, pixels=found_pixels, failed=failed, remarks=found)

    def _outcome(self, started: _Started, place: int) -> _Outcome:
        """Return the outcome of an image; tries one alone for which there was too little memory."""
        try:
            # Raises errors that are not about an image, such as PluginError, in the main thread.
            return started.outcomes[place].result()
        except MemoryError:
            number = started.request.numbers[place]
        wait([outcome for each in (started, *self._unfinished) for outcome in each.outcomes])
        try:
            return self._decode(started.request, place, started.pixels)
        except MemoryError as error:
            raise memory_error(self._dataset.samples[number].id, error) from error


def damaged(found: Mapping[str, Remarks]) -> list[FailedImage]:
    """Return the images whose data are damaged, although they could be decoded, with reasons."""
    return [
        FailedImage(id=name, reason=remark.text)
        for name, on_image in found.items()
        for remark in on_image
        if remark.kind == "damaged"
    ]


def memory_error(name: str, error: MemoryError) -> ImageMemoryError:
    """Return the error that ends a run because an image does not fit in memory."""
    size = f" ({error})" if str(error) else ""
    return ImageMemoryError(
        f"{name}{size} does not fit in memory, also when it is read alone; close other programs, use a "
        "machine with more memory, or make the image smaller. What was computed so far is kept"
    )


def unreadable(dataset: Dataset, numbers: Sequence[int]) -> list[FailedImage]:
    """Return those of the images that cannot be decoded, with reasons."""
    requests = [Request(numbers=[number], geometries=()) for number in numbers]
    with Decoder(dataset) as decoder:
        return [failure for chunk in decoder.chunks(requests) for failure in chunk.failed]


def strict_error(failure: FailedImage) -> ImageError:
    """Return the error that a failed image causes with `--strict`."""
    return ImageError(f"{failure.id}: {failure.reason} (--strict stops here)")


def reason(error: Exception) -> str:
    """Return in one line why an image failed."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__
