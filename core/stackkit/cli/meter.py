"""Measure how fast a task is, now and overall, and when it will be finished."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from stackkit.api.reporter import Unit

NOW_S = 30.0
"""Seconds that count as "now"; longer if two steps take longer."""


class Meter:
    """Counts the items or bytes of one task.

    `done` of the `total` were finished before: they count as progress, but not for the speed.
    """

    def __init__(
        self,
        total: int,
        done: int,
        clock: Callable[[], float] = time.monotonic,
        *,
        unit: Unit = "items",
    ) -> None:
        self.total, self.done, self.unit = total, done, unit
        self._clock = clock
        self._first = (clock(), done)
        self._recent = deque([self._first])

    def advance(self, count: int) -> None:
        """Count more finished items."""
        self.done += count
        now = self._clock()
        self._recent.append((now, self.done))
        # At least two steps remain, or a step longer than NOW_S would leave no speed at all.
        while len(self._recent) > 3 and self._recent[1][0] <= now - NOW_S:
            self._recent.popleft()

    @property
    def is_finished(self) -> bool:
        """Whether all items are finished."""
        return self.done >= self.total

    @property
    def now(self) -> float:
        """Items per second during the last NOW_S seconds."""
        return self._since(self._recent[0])

    @property
    def overall(self) -> float:
        """Items per second since the start, without those that were finished before."""
        return self._since(self._first)

    @property
    def seconds_left(self) -> float | None:
        """Remaining time at the overall speed; None before the first step."""
        return (self.total - self.done) / self.overall if self.overall else None

    def _since(self, start: tuple[float, int]) -> float:
        (began, before), (ended, after) = start, self._recent[-1]
        return (after - before) / max(ended - began, 1e-9)
