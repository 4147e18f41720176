"""Progress on stderr: live bars on a terminal, a line every few seconds elsewhere, or JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Literal

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, Progress, ProgressColumn, TaskID, TextColumn
from rich.table import Column

from stackkit.api.reporter import Reporter, Unit
from stackkit.cli.meter import Meter
from stackkit.utils.console import literal
from stackkit.utils.tables import print_literal

LINE_EVERY_S = 10.0
EVENT_EVERY_S = 1.0
FIGURES = 48
"""Width, in characters, that the figures of most tasks need."""

Style = Literal["auto", "bars", "lines", "json", "none"]


@contextmanager
def progress(style: Style = "auto") -> Iterator[Reporter]:
    """Yield a reporter that writes to stderr.

    `style` is "bars", "lines", "json" (one object per line), "none" (messages only), or "auto":
    bars on a terminal and lines elsewhere.
    """
    console = Console(stderr=True, force_terminal=True if style == "bars" else None)
    if style == "bars" or (style == "auto" and console.is_terminal):
        # Messages go through the same console, or they would be written into the bars.
        bars = Progress(*_columns(), console=console)
        with bars:
            yield BarReporter(bars)
    elif style == "json":
        yield JsonReporter(console)
    elif style == "none":
        yield MessageReporter(console)
    else:
        yield LineReporter(console)


def _columns() -> list[ProgressColumn]:
    """Return the columns of a bar; on a narrow terminal names are cut, figures are not."""
    name, figures = Column(no_wrap=True, overflow="ellipsis"), Column(no_wrap=True, min_width=FIGURES)
    return [
        TextColumn("{task.description}", markup=False, table_column=name),
        BarColumn(bar_width=10),
        TextColumn("{task.fields[text]}", markup=False, table_column=figures),
    ]


class MessageReporter:
    """Print messages, but no progress."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def start(self, task: str, total: int, done: int = 0, unit: Unit = "items") -> None:
        """Ignore the start of a task."""

    def advance(self, task: str, count: int) -> None:
        """Ignore finished items."""

    def message(self, text: str) -> None:
        """Print a line."""
        print_literal(self._console, text)


class BarReporter(MessageReporter):
    """Show one live bar per task, with messages above them."""

    def __init__(self, bars: Progress) -> None:
        super().__init__(bars.console)
        self._bars = bars
        self._tasks: dict[str, tuple[TaskID, Meter]] = {}

    def start(self, task: str, total: int, done: int = 0, unit: Unit = "items") -> None:
        """Show a bar; replace the one of the same name."""
        if task in self._tasks:  # it starts again
            self._bars.remove_task(self._tasks[task][0])
        meter = Meter(total, done, unit=unit)
        bar = self._bars.add_task(literal(task), total=total, completed=done, text=_figures(meter))
        self._tasks[task] = (bar, meter)

    def advance(self, task: str, count: int) -> None:
        """Advance a bar."""
        bar, meter = self._tasks[task]
        meter.advance(count)
        self._bars.update(bar, completed=meter.done, text=_figures(meter))


class LineReporter(MessageReporter):
    """Print a line when a task ends, and one every LINE_EVERY_S seconds.

    The latter is of the unfinished task that started last: where several tasks advance together,
    that is the one that counts the items of all of them.
    """

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._meters: dict[str, Meter] = {}
        self._last = time.monotonic()

    def start(self, task: str, total: int, done: int = 0, unit: Unit = "items") -> None:
        """Start to count a task; print a line if it is finished already."""
        self._meters.pop(task, None)  # a task that starts again is the last one started
        meter = self._meters[task] = Meter(total, done, unit=unit)
        if meter.is_finished:
            self.message(f"{task}: {_amount(meter)}, nothing to do")

    def advance(self, task: str, count: int) -> None:
        """Count finished items, and print a line when it is time."""
        meter = self._meters[task]
        if meter.is_finished:
            return
        meter.advance(count)
        is_time = time.monotonic() - self._last >= LINE_EVERY_S
        if meter.is_finished or (is_time and task == self._last_unfinished()):
            self._last = time.monotonic()
            self.message(f"{task}: {_words(meter)}")

    def _last_unfinished(self) -> str:
        return [task for task, meter in self._meters.items() if not meter.is_finished][-1]


class JsonReporter(MessageReporter):
    """Print one JSON object per line: messages, and each task's start, end and progress."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._meters: dict[str, Meter] = {}
        self._last: dict[str, float] = {}

    def start(self, task: str, total: int, done: int = 0, unit: Unit = "items") -> None:
        """Print that a task starts."""
        self._meters[task] = Meter(total, done, unit=unit)
        self._write_progress(task)

    def advance(self, task: str, count: int) -> None:
        """Count finished items, and print the progress every EVENT_EVERY_S seconds."""
        meter = self._meters[task]
        if meter.is_finished:
            return
        meter.advance(count)
        if meter.is_finished or time.monotonic() - self._last[task] >= EVENT_EVERY_S:
            self._write_progress(task)

    def message(self, text: str) -> None:
        """Print a message."""
        self._write(message=text)

    def _write_progress(self, task: str) -> None:
        meter = self._meters[task]
        self._last[task] = time.monotonic()
        left = meter.seconds_left
        self._write(
            task=task,
            done=meter.done,
            total=meter.total,
            unit=meter.unit,
            per_s_now=round(meter.now, 3),
            per_s_overall=round(meter.overall, 3),
            eta_s=None if left is None else round(left, 1),
        )

    def _write(self, **event: Any) -> None:
        time_ = datetime.now(UTC).isoformat(timespec="milliseconds")
        super().message(json.dumps({"time": time_, **event}))


def _words(meter: Meter) -> str:
    """Return "640 of 11,788, 12.1/s now, 11.9/s overall, 15:37 left"."""
    left = meter.seconds_left
    if meter.is_finished or left is None:
        return f"{_amount(meter)}, {_per_second(meter.overall, meter)}"
    return (
        f"{_amount(meter)}, {_per_second(meter.now, meter)} now, "
        f"{_per_second(meter.overall, meter)} overall, {clock(left)} left"
    )


def _figures(meter: Meter) -> str:
    """Return "640 of 11,788, 12.1/s (11.9/s overall), 15:37"."""
    left = meter.seconds_left
    if meter.is_finished or left is None:
        return _words(meter)
    overall = _per_second(meter.overall, meter)
    return f"{_amount(meter)}, {_per_second(meter.now, meter)} ({overall} overall), {clock(left)}"


def _amount(meter: Meter) -> str:
    if meter.unit == "bytes":
        return f"{decimal(meter.done)} of {decimal(meter.total)}"
    return f"{meter.done:,} of {meter.total:,}"


def _per_second(speed: float, meter: Meter) -> str:
    return f"{decimal(int(speed))}/s" if meter.unit == "bytes" else f"{rate(speed)}/s"


def rate(per_s: float) -> str:
    """Format a number of images per second, with two digits where it is below 1."""
    return f"{per_s:,.1f}" if per_s >= 1 or not per_s else f"{per_s:.2g}"


def clock(seconds: float) -> str:
    """Format seconds as "2:03", or "1:02:03" with hours."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
