"""A report as one table, with its reservations in plain words below."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console, ConsoleRenderable, Group
from rich.table import Table
from rich.text import Text

from stackkit.evaluate import Result, best_single
from stackkit.report.document import Report


def table(report: Report) -> ConsoleRenderable:
    """One row per classifier: accuracy of each fold, mean, spread, interval, gain, in percent."""
    best = best_single(report.results)
    title = f"{report.dataset}: {report.n_images} images, {len(report.classes)} classes; {report.protocol.title}"
    made = Table(title=title, title_justify="left", caption_justify="left")
    made.add_column("classifier", overflow="fold")
    made.add_column("on", overflow="fold")
    for fold in range(report.protocol.folds):
        made.add_column(f"fold {fold + 1}" if report.protocol.folds > 1 else "test", justify="right")
    for heading in ("mean %", "± sd", "95 % interval", "gain"):
        made.add_column(heading, justify="right", no_wrap=True)
    previous = None
    for result in report.results:
        if previous is not None and result.kind != previous:
            made.add_section()
        previous = result.kind
        made.add_row(*_cells(result, best), style="bold" if result is best else "")
    return Group(made, Text("\n".join(f"- {note}" for note in report.notes)))


def _cells(result: Result, best: Result) -> Iterator[str]:
    yield result.name
    yield _backbones(result)
    yield from (f"{100 * accuracy:.1f}" for accuracy in result.fold_accuracy)
    yield f"{100 * result.accuracy:.2f}"
    yield f"{100 * result.spread:.2f}"
    yield f"{100 * result.interval_95[0]:.1f} to {100 * result.interval_95[1]:.1f}"
    yield "best single" if result is best else f"{100 * (result.accuracy - best.accuracy):+.2f}"


def _backbones(result: Result) -> str:
    if len(result.backbones) == 1:
        return result.backbones[0]
    return f"all {len(result.backbones)}" + (" (untrained)" if result.untrained else "")


def show(report: Report, console: Console) -> None:
    """Print the table and the notes."""
    console.print(table(report))
    for failure in report.failed_images[:20]:
        console.print(f"failed: {failure.id}: {failure.reason}", markup=False, soft_wrap=True)
    if len(report.failed_images) > 20:
        console.print(
            f"... and {len(report.failed_images) - 20} more, see failed_images in {'report.json'}"
        )
