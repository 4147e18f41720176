"""Write finished rows on a thread of their own, so that networks need not wait for the disk."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager

AHEAD = 2
"""Blocks of rows that may wait to be written; bounds the memory for features."""


class Writer(AbstractContextManager["Writer"]):
    """A thread that carries out writes in order, for use in a `with` statement.

    Leaving the block waits for every write, also after an error or Ctrl-C, so that what was
    computed is kept. The first write that failed raises its error at the next call or at the end.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="stackkit-write")
        self._waiting: deque[Future[None]] = deque()

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown()
        self._settle(0)

    def submit(self, write: Callable[[], None]) -> None:
        """Have `write` called after those before it; waits while AHEAD others are unfinished."""
        self._settle(AHEAD)
        self._waiting.append(self._pool.submit(write))

    def _settle(self, most: int) -> None:
        while self._waiting and (len(self._waiting) > most or self._waiting[0].done()):
            self._waiting.popleft().result()
