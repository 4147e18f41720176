"""Decide how many images a task has: some seconds of work, and work for every worker."""

from __future__ import annotations

from dataclasses import dataclass

TASK_SECONDS = 4.0
"""About how long a task takes. Handing it out takes milliseconds; what a death loses is as little."""

MOST_IMAGES = 256
"""Most images of a task; it limits the memory for features and what has to be halved."""


@dataclass(slots=True, kw_only=True)
class TaskSize:
    """The size of the next task, from what earlier tasks took.

    Parameters
    ----------
    images : int
        Number of all images.
    batch : int
        Batch size of the networks. Tasks have a multiple of it where there are enough images.
    seconds_per_image : float or None
        Time in all networks for an image on one worker; None until a task has measured it.

    """

    images: int
    batch: int
    seconds_per_image: float | None = None
    _seconds: float = 0.0
    _measured: int = 0

    def add(self, images: int, seconds: float) -> None:
        """Take into account that images took some seconds in the networks."""
        self._seconds += seconds
        self._measured += images
        if self._measured and self._seconds:
            self.seconds_per_image = self._seconds / self._measured

    def next(self, left: int, workers: int) -> int:
        """Return the size of the next task, >= 1.

        Parameters
        ----------
        left : int
            Number of images that no task has yet, >= 1.
        workers : int
            Number of workers, >= 1.

        """
        fair = -(-left // workers)
        batches = 1
        if self.seconds_per_image:
            batches = int(min(TASK_SECONDS / self.seconds_per_image, MOST_IMAGES) // self.batch)
        size = self.batch * max(1, min(batches, fair // self.batch))
        return max(1, min(size, left, max(-(-self.images // workers), 1)))
