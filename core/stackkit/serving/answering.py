"""Answer a request for predictions within the limits: upload, check, queue, wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from stackkit.api.errors import ImageError
from stackkit.serving.batching import Batcher
from stackkit.serving.images import checked_pixels
from stackkit.serving.limits import Limits
from stackkit.serving.metrics import Metrics
from stackkit.serving.refusal import Refusal
from stackkit.serving.uploads import Upload, read_uploads

if TYPE_CHECKING:
    from stackkit.prediction.record import Prediction


class Answerer:
    """Answers requests, a limited number at a time.

    Parameters
    ----------
    batcher : Batcher
        Answers images.
    limits : Limits
        What a request may ask for.
    metrics : Metrics
        Counts answers.

    """

    def __init__(self, batcher: Batcher, limits: Limits, metrics: Metrics) -> None:
        self._batcher = batcher
        self._limits = limits
        self._metrics = metrics
        self._in_flight = 0

    def check_ready(self) -> None:
        """Raise Refusal with status 503 until the networks are open."""
        if not self._batcher.ready:
            raise Refusal(503, "the networks are being opened; try again in a few seconds")

    async def answer(self, request: Request) -> list[Prediction]:
        """Return the answers to the images of a request, in its order; raises Refusal."""
        self.check_ready()
        with self._admitted():
            began = time.perf_counter()
            with self._batcher.uploading():
                uploads = await read_uploads(request, self._limits)
                pixels = await run_in_threadpool(_pixels_of, uploads, self._limits)
                futures = self._batcher.submit(uploads, pixels)
            predictions = _without_failures(await self._results(futures), uploads)
        self._metrics.answered(predictions, time.perf_counter() - began)
        return predictions

    @contextmanager
    def _admitted(self) -> Iterator[None]:
        # The event loop runs this alone, so the count needs no lock.
        if self._in_flight >= self._limits.requests:
            raise Refusal(
                429, f"the server answers {self._limits.requests} requests at a time; try again soon"
            )
        self._in_flight += 1
        try:
            with self._metrics.in_flight.track_inprogress():
                yield
        finally:
            self._in_flight -= 1

    async def _results(self, futures: Sequence[Future[Prediction]]) -> list[Prediction | BaseException]:
        waiting = asyncio.gather(*map(asyncio.wrap_future, futures), return_exceptions=True)
        try:
            # If time is over, wait_for cancels all futures: their images leave the queue.
            return await asyncio.wait_for(waiting, self._limits.seconds)
        except TimeoutError:
            raise Refusal(
                503, f"the answer takes longer than {self._limits.seconds:g} s; try again later"
            ) from None


def _pixels_of(uploads: Sequence[Upload], limits: Limits) -> list[int]:
    return [checked_pixels(each, limits) for each in uploads]


def _without_failures(
    results: Sequence[Prediction | BaseException], uploads: Sequence[Upload]
) -> list[Prediction]:
    """Return all answers, or raise what went wrong, with the names of all unreadable images."""
    unreadable = [
        (upload.name or f"image {number}", result)
        for number, (upload, result) in enumerate(zip(uploads, results, strict=True), start=1)
        if isinstance(result, ImageError)
    ]
    if unreadable:
        told = "; ".join(f"{name}: {error}" for name, error in unreadable)
        raise Refusal(422, f"cannot be read: {told}", [name for name, _ in unreadable])
    predictions = []
    for result in results:
        if isinstance(result, MemoryError):
            raise Refusal(503, "not enough memory for these images now; send fewer or smaller ones")
        if isinstance(result, CancelledError | asyncio.CancelledError):
            raise Refusal(503, "the server is stopping")
        if isinstance(result, BaseException):
            raise result
        predictions.append(result)
    return predictions
