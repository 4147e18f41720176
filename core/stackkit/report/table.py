"""Print a report as a table with its notes below."""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import compress

from rich import box
from rich.console import Console
from rich.table import Table

from stackkit.evaluation.intervals import Interval
from stackkit.evaluation.metrics import Result, best_single
from stackkit.report.report import FILE_NAME, Report
from stackkit.utils.console import print_literal, unwrapped

MAX_FOLDS = 5
"""Number of folds up to which each fold has a column; the accuracies of more folds follow as lines.

They also follow as lines where the terminal is too narrow for the columns.
"""

MAX_FAILURES = 20
"""Number of unreadable images that are listed."""


def show(report: Report, console: Console) -> None:
    """Print one row per classifier, then the notes and the images that could not be read."""
    console = unwrapped(console)
    classes = f"{report.n_images:,} images, {len(report.classes)} classes"
    title = f"{report.dataset}: {classes}; {report.protocol.title}; accuracy in percent"
    print_literal(console, f"\n{title}")
    table = _table(report, len(report.folds))
    folds_as_lines = len(report.folds) > MAX_FOLDS or _unbroken_width(table, console) > console.width
    console.print(_table(report, 0) if folds_as_lines else table)
    if folds_as_lines:
        for result in report.results:
            accuracies = " ".join(map(_percent, result.fold_accuracy))
            print_literal(console, f"folds of {result.name} on {_backbones(result)}: {accuracies}")
    for note in report.notes:
        print_literal(console, f"- {note}")
    for failure in report.failed_images[:MAX_FAILURES]:
        print_literal(console, f"failed: {failure.id}: {failure.reason}")
    if (more := len(report.failed_images) - MAX_FAILURES) > 0:
        print_literal(console, f"... and {more} more; {FILE_NAME} (--out) lists all")


def _unbroken_width(table: Table, console: Console) -> int:
    """Return the number of columns of a terminal that a table needs to break no name within a word."""
    return console.measure(table, options=console.options.update(max_width=sys.maxsize)).minimum


def _table(report: Report, shown: int) -> Table:
    """Return the table with columns for the first `shown` folds."""
    best = best_single(report.results)
    n_folds = len(report.folds)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    # On narrow terminals names wrap, while a number that is cut in half would be wrong.
    table.add_column("classifier", overflow="fold")
    table.add_column("on", overflow="fold")
    for fold in range(shown):
        table.add_column(f"fold {fold + 1}" if n_folds > 1 else "test", justify="right", no_wrap=True)
    for heading, is_shown in _summaries(report).items():
        if is_shown:
            table.add_column(heading, justify="right", no_wrap=True)
    previous = report.results[0].kind
    for result in report.results:
        if result.kind != previous:
            table.add_section()
        previous = result.kind
        table.add_row(
            result.name,
            _backbones(result),
            *map(_percent, result.fold_accuracy[:shown]),
            *compress(_summary(result, best), _summaries(report).values()),
            style="bold" if result is best else "",
        )
    return table


def _summaries(report: Report) -> dict[str, bool]:
    """Return the headings of the columns after the folds, and whether each of them is shown."""
    return {
        "mean [95 %]": True,
        "sd": len(report.folds) > 1,
        # Equals the share of correct images where all classes have equally many.
        "balanced": len({size for size in report.class_sizes if size}) > 1,
        "gain [95 %]": True,
    }


def _summary(result: Result, best: Result) -> tuple[str, str, str, str]:
    """Return the cells below `_summaries`, in the same order."""
    gain = "best"
    if result.gain_interval_95:
        gain = (
            f"{_points(result.accuracy - best.accuracy)} {_interval(result.gain_interval_95, _points)}"
        )
    return (
        f"{_percent(result.accuracy)} {_interval(result.interval_95, _percent)}",
        "" if result.spread is None else _percent(result.spread),
        _percent(result.balanced_accuracy),
        gain,
    )


def _interval(ends: Interval, formatted: Callable[[float], str]) -> str:
    return f"[{', '.join(map(formatted, ends))}]"


def _points(share: float) -> str:
    # Adding 0.0 turns -0.0, which tiny negative gains round to, into +0.0.
    return f"{round(100 * share, 1) + 0.0:+.1f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _backbones(result: Result) -> str:
    if len(result.backbones) == 1:
        return result.backbones[0]
    return f"all {len(result.backbones)}" + (" (untrained)" if result.untrained else "")
