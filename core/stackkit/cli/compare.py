"""`stackkit compare`: say whether runs on the same images differ by more than chance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stackkit.api.errors import UsageError
from stackkit.cli import options
from stackkit.cli.output import print_json
from stackkit.utils.console import say

if TYPE_CHECKING:
    from stackkit.report.between_runs import RunComparison

Runs = Annotated[
    list[str],
    typer.Argument(metavar="RUN...", help="Folders of runs (--out), or names in `stackkit runs ls`."),
]
Rows = Annotated[
    list[str] | None,
    typer.Option(
        "--row",
        metavar="NAME",
        help="Row to compare, for all runs or one per run; repeatable. Default: the stack.",
    ),
]
Format = Annotated[
    Literal["markdown", "csv", "latex"] | None,
    typer.Option("--format", metavar="FORMAT", help="Print a table: markdown, csv or latex."),
]


def compare(
    runs: Runs, row: Rows = None, table_format: Format = None, as_json: options.Json = False
) -> None:
    """Say whether runs differ by more than chance.

    The same protocol, classes and test images are required. One run with several --row compares rows
    of it.

    Try: stackkit compare results/a results/b
    """
    from stackkit.report.between_runs import NamedRecord
    from stackkit.report.between_runs import compare as compared
    from stackkit.report.record_files import read_record
    from stackkit.report.runs import find_run

    if as_json and table_format:
        raise UsageError("--json and --format are two formats of stdout; choose one")
    names = [each.rstrip("/") or each for each in runs]
    records = [read_record(find_run(name), evidence=False) for name in names]
    named = [NamedRecord(name=name, record=each) for name, each in zip(names, records, strict=True)]
    found = compared(named, row or ())
    if as_json:
        print_json(found.document())
    elif table_format:
        from stackkit.cli.output import print_lines
        from stackkit.report.table_formats import comparison_text

        print_lines(comparison_text(found, table_format))
    else:
        _show(found)


def _show(found: RunComparison) -> None:
    """Print the table, then a sentence for each pair, and the notes."""
    from rich.console import Console

    from stackkit.report.comparison_table import comparison_table
    from stackkit.utils.tables import Column, print_table, unwrapped

    columns = comparison_table(found).shown
    print_table(
        unwrapped(Console()),
        [
            Column(heading=each.heading, cells=each.cells, is_name=not each.is_number, rank=rank)
            for rank, each in zip((0, 0, 0, 3, 1, 2), columns, strict=True)
        ],
    )
    for verdict in found.verdicts:
        say(verdict.sentence)
    for note in found.notes:
        say(f"- {note}")
