"""Turn image files into chunks of pixels: each decoded once, on threads, ahead of use, in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stackkit.api.errors import ImageError
from stackkit.api.images import squash
from stackkit.api.types import Dataset, FailedImage

AHEAD = 2
"""Chunks that wait, decoded or being decoded, while one is in use; bounds the memory for pixels."""

MOST_THREADS = 8
"""Decoding takes about 1 % of what networks take on a CPU; more threads serve a fast GPU only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Numbers of images to decode together, and the sides in pixels of the squares wanted."""

    numbers: Sequence[int]
    sizes: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """Images asked for by `numbers`, those decoded as `rows`, what the others failed of.

    `pixels[size]` is (len(rows), size, size, 3) uint8, read-only: backbones of one size share it.
    """

    numbers: Sequence[int]
    rows: list[int]
    pixels: Mapping[int, NDArray[np.uint8]]
    failed: list[FailedImage]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Started:
    request: Request
    pixels: dict[int, NDArray[np.uint8]]
    outcomes: list[Future[FailedImage | None]]


class Decoder(AbstractContextManager["Decoder"]):
    """Threads that decode the images of a dataset, for use in a `with` statement.

    An image that cannot be decoded, or is no longer that of its `fingerprints`, is listed in its
    chunk; with `strict` it raises ImageError. Whatever else a dataset raises is raised where the
    chunk would have come.
    """

    def __init__(
        self, dataset: Dataset, fingerprints: Sequence[str] | None = None, *, strict: bool = False
    ) -> None:
        self._dataset = dataset
        self._fingerprints = fingerprints
        self._strict = strict
        workers = min(MOST_THREADS, os.cpu_count() or 1)
        self._pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="stackkit-decode")

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def chunk(self, request: Request) -> Chunk:
        """One chunk, decoded now."""
        return self._finish(self._start(request))

    def chunks(self, requests: Iterable[Request]) -> Iterator[Chunk]:
        """A chunk for each request, in order, AHEAD of them decoded before they are asked for."""
        waiting: deque[_Started] = deque()
        for request in requests:
            waiting.append(self._start(request))
            if len(waiting) > AHEAD:
                yield self._finish(waiting.popleft())
        while waiting:
            yield self._finish(waiting.popleft())

    def _start(self, request: Request) -> _Started:
        count = len(request.numbers)
        pixels = {size: np.empty((count, size, size, 3), np.uint8) for size in request.sizes}
        outcomes = [
            self._pool.submit(self._decode, row, place, pixels)
            for place, row in enumerate(request.numbers)
        ]
        return _Started(request=request, pixels=pixels, outcomes=outcomes)

    def _decode(
        self, row: int, place: int, pixels: Mapping[int, NDArray[np.uint8]]
    ) -> FailedImage | None:
        try:
            image = self._dataset.image(row)
            for size, squares in pixels.items():
                squares[place] = squash(image, size)
            self._refuse_replaced(row)
        except (OSError, ImageError) as error:
            return FailedImage(id=self._dataset.samples[row].id, reason=reason(error))
        return None

    def _refuse_replaced(self, row: int) -> None:
        # After decoding: what was replaced before that is seen, and the file is still in memory.
        if self._fingerprints and self._dataset.fingerprint(row) != self._fingerprints[row]:
            raise ImageError("the image was replaced meanwhile; the next run takes the new one")

    def _finish(self, started: _Started) -> Chunk:
        outcomes = [outcome.result() for outcome in started.outcomes]
        failed = [failure for failure in outcomes if failure]
        if failed and self._strict:
            raise strictly(failed[0])
        places = [place for place, failure in enumerate(outcomes) if not failure]
        pixels = started.pixels
        if failed:
            pixels = {size: squares[places] for size, squares in pixels.items()}
        for squares in pixels.values():
            squares.flags.writeable = False  # no backbone may scale in place what others share
        numbers = started.request.numbers
        rows = [numbers[place] for place in places]
        return Chunk(numbers=numbers, rows=rows, pixels=pixels, failed=failed)


def unreadable(dataset: Dataset, numbers: Sequence[int]) -> list[FailedImage]:
    """Those of the images that cannot be decoded, with the reason."""
    requests = [Request(numbers=[number], sizes=()) for number in numbers]
    with Decoder(dataset) as decoder:
        return [failure for chunk in decoder.chunks(requests) for failure in chunk.failed]


def strictly(failure: FailedImage) -> ImageError:
    """The error that a failed image is under `--strict`."""
    return ImageError(f"{failure.id}: {failure.reason} (--strict stops here)")


def reason(error: Exception) -> str:
    """Why an image failed, in one line."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__
