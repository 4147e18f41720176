"""Write finished rows on a thread, so that networks do not wait for the disk."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager

AHEAD = 2
"""Number of writes that may wait; it limits the memory for features."""


class Writer(AbstractContextManager["Writer"]):
    """A thread that carries out writes in order; use it in a `with` statement.

    Leaving the block waits for every write, also after an error or Ctrl-C, so that everything computed
    is stored. If a write fails, its error is raised by the next call, or at the end of the block.
    """

    def __init__(self) -> None:
        # One thread only: writes to a file share its position (seek, then write).
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="stackkit-write")
        self._waiting: deque[Future[None]] = deque()

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown()
        self._wait(0)

    def submit(self, write: Callable[[], None]) -> None:
        """Call `write` on the thread, after all earlier writes.

        Waits while AHEAD writes are unfinished. Raises the error of an earlier write that failed.
        """
        self._wait(AHEAD)
        self._waiting.append(self._pool.submit(write))

    def _wait(self, most: int) -> None:
        """Wait until at most `most` writes are unfinished, and raise the error of one that failed."""
        while self._waiting and (len(self._waiting) > most or self._waiting[0].done()):
            self._waiting.popleft().result()
