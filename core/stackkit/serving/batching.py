"""Answer the images of concurrent requests together: networks are faster on batches."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from stackkit.api.errors import StackkitError
from stackkit.serving.limits import Limits
from stackkit.serving.uploads import Upload

if TYPE_CHECKING:
    from PIL import Image

    from stackkit.prediction.record import Prediction


class Answering(Protocol):
    """What the server needs of a `Predictor`."""

    def read(self, source: bytes, name: str) -> Image.Image:
        """Decode an image file as those of the training data; raises ImageError and MemoryError."""

    def warm(self) -> None:
        """Open the networks and compute once, so that the first answer is as fast as later ones."""

    def predict(self, images: Sequence[Image.Image], sources: Sequence[str]) -> Sequence[Prediction]:
        """Answer RGB images."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    upload: Upload
    pixels: int
    answer: Future[Prediction] = field(default_factory=Future)


class Batcher:
    """A queue of images, and one thread that answers them in batches.

    A batch is what has queued up while the previous one was computed. If other requests are uploading
    meanwhile, it waits a few milliseconds for their images; a single client never waits.

    Parameters
    ----------
    predictor : Answering
        Answers images; called in one thread only.
    limits : Limits
        Size of a batch, in images and pixels.
    observe : callable
        Called with the number of images of each batch.

    """

    def __init__(
        self,
        predictor: Answering,
        limits: Limits,
        observe: Callable[[int], None] = lambda count: None,
    ) -> None:
        self._predictor = predictor
        self._limits = limits
        self._observe = observe
        self._queue: deque[_Job] = deque()
        self._changed = threading.Condition()
        self._uploading = 0
        self._closed = False
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._work, name="stackkit-batches", daemon=True)
        self.failure: StackkitError | None = None

    def start(
        self,
        ready: Callable[[], None] = lambda: None,
        failed: Callable[[], None] = lambda: None,
    ) -> None:
        """Warm the predictor in the background, and tell whether it worked; then answer."""
        self._tell_ready, self._tell_failed = ready, failed
        self._thread.start()

    @property
    def ready(self) -> bool:
        """Whether the networks are open and have computed once."""
        return self._ready.is_set()

    @property
    def waiting(self) -> int:
        """Number of images in the queue."""
        return len(self._queue)

    @contextmanager
    def uploading(self) -> Iterator[None]:
        """Tell that the images of a request are about to arrive."""
        with self._changed:
            self._uploading += 1
        try:
            yield
        finally:
            with self._changed:
                self._uploading -= 1
                self._changed.notify()

    def submit(self, uploads: Sequence[Upload], pixels: Sequence[int]) -> list[Future[Prediction]]:
        """Queue images; cancel a future to have its image skipped.

        The futures raise ImageError for images that cannot be read, and MemoryError.
        """
        jobs = [_Job(upload=one, pixels=size) for one, size in zip(uploads, pixels, strict=True)]
        with self._changed:
            # What was given up keeps no memory while a batch takes long.
            waiting = [job for job in self._queue if not job.answer.cancelled()]
            self._queue = deque([*waiting, *jobs])
            self._changed.notify()
        return [job.answer for job in jobs]

    def close(self) -> None:
        """Answer what is in the queue, then end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join()

    def _work(self) -> None:
        try:
            self._predictor.warm()
        except Exception as error:
            self.failure = error if isinstance(error, StackkitError) else StackkitError(str(error))
            self._tell_failed()
            return
        self._ready.set()
        self._tell_ready()
        with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="stackkit-decode") as pool:
            while batch := self._next_batch():
                self._answer([job for job in batch if job.answer.set_running_or_notify_cancel()], pool)

    def _next_batch(self) -> list[_Job]:
        """Wait for images; return an empty list if there are none and none will come."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closed)
            until = time.monotonic() + self._limits.wait_s
            while self._uploading and len(self._queue) < self._limits.batch and not self._closed:
                if not self._changed.wait(until - time.monotonic()):
                    break
            return self._take()

    def _take(self) -> list[_Job]:
        batch, pixels = list[_Job](), 0
        while self._queue and len(batch) < self._limits.batch:
            pixels += self._queue[0].pixels
            if batch and pixels > self._limits.image_pixels:
                break
            batch.append(self._queue.popleft())
        return batch

    def _answer(self, jobs: Sequence[_Job], pool: ThreadPoolExecutor) -> None:
        readable, images = [], []
        for job, image in zip(jobs, pool.map(self._decoded, jobs), strict=True):
            if image is not None:
                readable.append(job)
                images.append(image)
        if not readable:
            return
        self._observe(len(readable))
        try:
            found = self._predictor.predict(images, [job.upload.name for job in readable])
        except Exception as error:
            if len(readable) == 1:
                readable[0].answer.set_exception(error)
                return
            for job in readable:  # one of them is at fault; the others get their answers
                self._answer([job], pool)
            return
        for job, prediction in zip(readable, found, strict=True):
            job.answer.set_result(prediction)

    def _decoded(self, job: _Job) -> Image.Image | None:
        try:
            return self._predictor.read(job.upload.content, job.upload.name or "the image")
        except Exception as error:  # mostly ImageError, or MemoryError
            job.answer.set_exception(error)
        return None
