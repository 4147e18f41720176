"""Progress on stderr: live bars on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.filesize import decimal
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from stackkit.types import Reporter

LINE_EVERY_S = 10.0


@contextmanager
def progress(console: Console) -> Iterator[Reporter]:
    """A reporter that fits the console."""
    if not console.is_terminal:
        yield LineReporter(console)
        return
    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        _Amount(),
        _Rate(),
        TimeRemainingColumn(elapsed_when_finished=True),
        console=console,
    )
    with bars:
        yield BarReporter(bars)


class BarReporter:
    """One live bar per task."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, TaskID] = {}

    def start(self, task: str, total: int, done: int = 0) -> None:
        """Show a bar, or reset the one of that name."""
        if task in self._tasks:
            self._bars.remove_task(self._tasks[task])
        self._tasks[task] = self._bars.add_task(task, total=total, completed=done)

    def advance(self, task: str, count: int) -> None:
        """Move a bar on."""
        self._bars.advance(self._tasks[task], count)

    def message(self, text: str) -> None:
        """Print a line above the bars."""
        self._bars.console.print(text, markup=False, highlight=False, soft_wrap=True)


@dataclass
class _Line:
    total: int
    finished_before: int
    done: int
    started: float = field(default_factory=time.monotonic)

    def text(self, task: str) -> str:
        elapsed = max(time.monotonic() - self.started, 1e-9)
        rate = (self.done - self.finished_before) / elapsed
        left = (
            f", {_clock((self.total - self.done) / rate)} left"
            if rate and self.done < self.total
            else ""
        )
        return f"{task}: {_amount(self.done, self.total)}, {_per_second(rate, self.total)}{left}"


class LineReporter:
    """One line per task at its start, at its end, and every few seconds between."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lines: dict[str, _Line] = {}
        self._last = time.monotonic()

    def start(self, task: str, total: int, done: int = 0) -> None:
        """Remember a task; say so if all of it is finished already."""
        self._lines[task] = _Line(total=total, finished_before=done, done=done)
        if done >= total:
            self.message(f"{task}: {_amount(done, total)}, nothing to do")

    def advance(self, task: str, count: int) -> None:
        """Count, and print when it is time."""
        line = self._lines[task]
        line.done += count
        now = time.monotonic()
        if line.done >= line.total or now - self._last >= LINE_EVERY_S:
            self._last = now
            self.message(line.text(task))

    def message(self, text: str) -> None:
        """Print a line."""
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


class _Amount(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(_amount(int(task.completed), int(task.total or 0)))


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed  # None until a task has moved twice
        return Text(_per_second(speed, int(task.total or 0)) if speed else "")


def _amount(done: int, total: int) -> str:
    if total >= 10_000_000:  # only downloads count that far
        return f"{decimal(done)} of {decimal(total)}"
    return f"{done:,} of {total:,}"


def _per_second(rate: float, total: int) -> str:
    return f"{decimal(int(rate))}/s" if total >= 10_000_000 else f"{rate:,.1f}/s"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
