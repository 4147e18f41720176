"""`stackkit report`: make the page of a finished run, or its table for a paper."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stackkit.api.errors import UsageError
from stackkit.cli import options, values
from stackkit.cli.host import the_host
from stackkit.cli.output import print_lines, stdout_set_aside
from stackkit.utils.console import say

if TYPE_CHECKING:
    from stackkit.cli.progress import Style
    from stackkit.report.record import Record
    from stackkit.store import FeatureStore

Format = Literal["html", "markdown", "csv", "latex"]

Run = Annotated[
    str | None,
    typer.Argument(
        metavar="RUN",
        help="Folder of --out, or a name in `stackkit runs ls`. Default: the latest there.",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="FILE",
        parser=values.path,
        help="File to write. Default: report.html in RUN; tables go to stdout.",
    ),
]
FormatOption = Annotated[
    Format,
    typer.Option("--format", help="The page, or the table of results for a paper."),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an existing --out.")]
Open = Annotated[bool, typer.Option("--open", help="Show the page in the web browser.")]
Refresh = Annotated[
    bool,
    typer.Option("--refresh", help="Read images and features again, and examine them again."),
]


def report(
    run: Run = None,
    out: Out = None,
    overwrite: Overwrite = False,
    format: FormatOption = "html",  # noqa: A002  the name of the option
    open_page: Open = False,
    refresh: Refresh = False,
    store: options.Store = None,
    feature_dtype: options.FeatureDtype = "float32",
    progress: options.Progress = "auto",
) -> None:
    """Make the report of a finished run, as a page or a table.

    Nothing is fitted again. Images, a map of them and suspicious labels are read from the dataset
    and the feature store once, and kept beside report.json.

    Try: stackkit report results --open
    """
    from stackkit.report.record_files import read_record
    from stackkit.report.runs import find_run

    for option, given in (("--open", open_page), ("--refresh", refresh)):
        if given and format != "html":
            raise UsageError(f"{option} is about the page, and --format is {format}; leave out one")
    if out:
        _check_out(out, overwrite)
    record = read_record(find_run(run), evidence=format == "html")
    if format != "html":
        from stackkit.report.table_formats import ladder_text

        _write_table(ladder_text(record, format), out)
        return
    path = _make_page(record, out, options.feature_store(store, feature_dtype), progress, refresh)
    say(f"report: {path}")
    if open_page:
        import webbrowser

        if not webbrowser.open(path.absolute().as_uri()):
            say(f"warning: no web browser could be started; open {path} in one", err=True)


def _check_out(out: Path, overwrite: bool) -> None:
    from stackkit.report.report import PAGE

    # os.path, because Path.exists may raise PermissionError.
    if os.path.isdir(out):  # noqa: PTH112
        raise UsageError(f"--out is a file to write, and {out} is a folder; add a name such as {PAGE}")
    if os.path.lexists(out) and not overwrite:
        raise UsageError(f"{out} exists; choose another --out, or pass --overwrite")


def _make_page(
    record: Record, out: Path | None, store: FeatureStore, style: Style, refresh: bool
) -> Path:
    """Write the page, and return its path."""
    from stackkit.cli.progress import progress
    from stackkit.experiment.page import check_page, reopened, with_evidence, write_page
    from stackkit.host.registry import Registry
    from stackkit.html_report import page
    from stackkit.report.report import PAGE

    target = out or (record.folder or Path()) / PAGE
    check_page(target)
    with stdout_set_aside(), progress(style) as reporter:
        if refresh or record.evidence is None:
            source = reopened(record, Registry(host=the_host()), store, reporter)
            if refresh and record.evidence and source.missing:
                raise UsageError(f"--refresh: {source.missing[0]} The report is left as it is.")
            for sentence in source.missing:
                reporter.message(f"warning: {sentence}")
            record = with_evidence(record, source, reporter)
        return write_page(page(record), target)


def _write_table(text: str, out: Path | None) -> None:
    """Write a table to a file, or to stdout."""
    from stackkit.experiment.page import write_page

    if out:
        say(f"report: {write_page(text, out)}")
    else:
        print_lines(text)
