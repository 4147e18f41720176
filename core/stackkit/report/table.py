"""A report as one table, with its reservations in plain words below."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.table import Table

from stackkit.evaluation.metrics import Result, best_single
from stackkit.report.report import FILE_NAME, Report

MOST_FOLDS = 5
MOST_FAILURES = 20
UNLIMITED = 200
"""Width in characters where nothing wraps: a file or a pipe has no edge."""


def show(report: Report, console: Console) -> None:
    """Print one row per classifier, folds that found no column, the notes, the images that failed."""
    if not console.is_terminal:
        console = Console(file=console.file, width=max(console.width, UNLIMITED))
    classes = f"{report.n_images:,} images, {len(report.classes)} classes"
    _say(console, f"\n{report.dataset}: {classes}; {report.protocol.title}; accuracy in percent")
    console.print(_table(report))
    if len(report.folds) > MOST_FOLDS:
        for result in report.results:
            accuracies = " ".join(_percent(accuracy) for accuracy in result.fold_accuracy)
            _say(console, f"folds of {result.name} on {_backbones(result)}: {accuracies}")
    for note in report.notes:
        _say(console, f"- {note}")
    for failure in report.failed_images[:MOST_FAILURES]:
        _say(console, f"failed: {failure.id}: {failure.reason}")
    if (more := len(report.failed_images) - MOST_FAILURES) > 0:
        _say(console, f"... and {more} more; {FILE_NAME} (--out) lists all")


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=not console.is_terminal)


def _table(report: Report) -> Table:
    """Accuracy of each fold (as many as fit), mean, spread, half of the 95 % interval, and gain."""
    best = best_single(report.results)
    folds = len(report.folds)
    shown = folds if folds <= MOST_FOLDS else 0
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("classifier", overflow="fold")
    table.add_column("on", overflow="fold")
    for fold in range(shown):
        table.add_column(f"fold {fold + 1}" if folds > 1 else "test", justify="right", no_wrap=True)
    for heading in ("mean", "sd", "± 95 %", "gain"):
        table.add_column(heading, justify="right", no_wrap=True)
    previous = report.results[0].kind
    for result in report.results:
        if result.kind != previous:
            table.add_section()
        previous = result.kind
        table.add_row(*_cells(result, best, shown), style="bold" if result is best else "")
    return table


def _cells(result: Result, best: Result, shown: int) -> Iterator[str]:
    yield result.name
    yield _backbones(result)
    yield from (_percent(accuracy) for accuracy in result.fold_accuracy[:shown])
    yield _percent(result.accuracy)
    yield _percent(result.spread)
    yield _percent((result.interval_95[1] - result.interval_95[0]) / 2)
    yield "best" if result is best else f"{round(100 * (result.accuracy - best.accuracy), 1) + 0.0:+.1f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _backbones(result: Result) -> str:
    if len(result.backbones) == 1:
        return result.backbones[0]
    return f"all {len(result.backbones)}" + (" (untrained)" if result.untrained else "")
