"""Print a report as a table with its notes below."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.table import Table

from stackkit.evaluation.metrics import Result, best_single
from stackkit.report.report import FILE_NAME, Report
from stackkit.utils.console import print_literal, unwrapped

MAX_FOLDS = 5
"""Number of folds up to which each fold has a column; the accuracies of more folds follow as lines."""

MAX_FAILURES = 20
"""Number of unreadable images that are listed."""


def show(report: Report, console: Console) -> None:
    """Print one row per classifier, then the notes and the images that could not be read."""
    console = unwrapped(console)
    classes = f"{report.n_images:,} images, {len(report.classes)} classes"
    title = f"{report.dataset}: {classes}; {report.protocol.title}; accuracy in percent"
    print_literal(console, f"\n{title}")
    console.print(_table(report))
    if len(report.folds) > MAX_FOLDS:
        for result in report.results:
            accuracies = " ".join(map(_percent, result.fold_accuracy))
            print_literal(console, f"folds of {result.name} on {_backbones(result)}: {accuracies}")
    for note in report.notes:
        print_literal(console, f"- {note}")
    for failure in report.failed_images[:MAX_FAILURES]:
        print_literal(console, f"failed: {failure.id}: {failure.reason}")
    if (more := len(report.failed_images) - MAX_FAILURES) > 0:
        print_literal(console, f"... and {more} more; {FILE_NAME} (--out) lists all")


def _table(report: Report) -> Table:
    best = best_single(report.results)
    n_folds = len(report.folds)
    shown = n_folds if n_folds <= MAX_FOLDS else 0
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    # On narrow terminals names wrap, while a number that is cut in half would be wrong.
    table.add_column("classifier", overflow="fold")
    table.add_column("on", overflow="fold")
    for fold in range(shown):
        table.add_column(f"fold {fold + 1}" if n_folds > 1 else "test", justify="right", no_wrap=True)
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
    yield from map(_percent, result.fold_accuracy[:shown])
    yield _percent(result.accuracy)
    yield _percent(result.spread)
    yield _percent((result.interval_95[1] - result.interval_95[0]) / 2)
    # Adding 0.0 turns -0.0, which tiny negative gains round to, into +0.0.
    gain = round(100 * (result.accuracy - best.accuracy), 1) + 0.0
    yield "best" if result is best else f"{gain:+.1f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _backbones(result: Result) -> str:
    if len(result.backbones) == 1:
        return result.backbones[0]
    return f"all {len(result.backbones)}" + (" (untrained)" if result.untrained else "")
