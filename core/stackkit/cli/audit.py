"""`stackkit audit`: list labels and images that deserve a second look."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stackkit.cli import options, values
from stackkit.cli.host import the_host
from stackkit.cli.output import postponed, print_csv, print_json, stdout_set_aside
from stackkit.cli.recipe_options import first_from, parse_recipe
from stackkit.recipe import Recipe
from stackkit.utils.console import say

if TYPE_CHECKING:
    from stackkit.audit.findings import Finding, Kind
    from stackkit.audit.report import AuditReport
    from stackkit.cli.progress import Style
    from stackkit.experiment.audit import Audited
    from stackkit.preview import Preview
    from stackkit.store import FeatureStore
    from stackkit.utils.tables import Column

Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="DIR",
        parser=values.path,
        help="Write audit.csv, audit.json and audit.html to DIR.",
        rich_help_panel=options.OUTPUT,
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite", help="Replace an existing audit in --out.", rich_help_panel=options.OUTPUT
    ),
]
Top = Annotated[
    int,
    typer.Option(
        "--top",
        metavar="N",
        parser=values.whole_number,
        show_default=False,
        help="Findings of each kind in the tables; files have all. Default: 10.",
        rich_help_panel=options.OUTPUT,
    ),
]


OF_RECIPE = ("dataset", "recipe", "backbones", "learner", "cv", "jobs", "executor", "seed", "strict")
"""Options of a recipe that an audit has; the others belong to what it chooses itself, see `audited`."""


@first_from(parse_recipe, only=OF_RECIPE)
def audit(
    recipe: Recipe,
    out: Out = None,
    overwrite: Overwrite = False,
    top: Top = 10,
    store: options.Store = None,
    feature_dtype: options.FeatureDtype = "float32",
    device: options.Device = None,
    threads: options.Threads = None,
    progress: options.Progress = "auto",
    as_json: options.Json = False,
    as_csv: options.Csv = False,
) -> None:
    """List labels and images that deserve a second look.

    Labels that look wrong, near-duplicates, images unlike all others, bad photographs, and classes
    that are hardly separable. Nothing is changed.

    Try: stackkit audit --dataset mnist:limit=50 --out mnist-audit
    """
    options.check_count("--threads", threads)
    options.check_count("--top", top)
    output = options.output_format(as_json=as_json, as_csv=as_csv)
    recipe = replace(recipe, device=device, threads=threads)
    feature_store = options.feature_store(store, feature_dtype)
    errors = list[BaseException]()
    found, written = _carry_out(recipe, feature_store, progress, out, errors, overwrite=overwrite)
    _show(found.report, top, to_stderr=output != "text")
    for path in written:
        say(f"written: {path}", err=True)
    if output == "json":
        print_json(found.report.document())
    elif output == "csv":
        print_csv(found.report.rows())
    if errors:
        raise errors[0]


def _carry_out(
    recipe: Recipe,
    store: FeatureStore,
    style: Style,
    out: Path | None,
    errors: list[BaseException],
    *,
    overwrite: bool,
) -> tuple[Audited, list[Path]]:
    """Return the audit and the files that were written; what went wrong with those is in `errors`."""
    from stackkit.api.paths import fits_dir
    from stackkit.cli.preview import estimate_lines, preview_lines, show
    from stackkit.cli.progress import progress
    from stackkit.experiment import audit_files
    from stackkit.experiment.audit import audit
    from stackkit.host.registry import Registry

    def begin(preview: Preview) -> None:
        show(reporter, preview_lines(preview, evaluable=True))
        if out:  # now: before hours of work, but not created for a mistyped component
            audit_files.prepare(out, overwrite=overwrite)

    with stdout_set_aside(), progress(style) as reporter:
        found = audit(
            recipe,
            Registry(host=the_host()),
            store,
            reporter,
            begin=begin,
            expect=lambda estimate: show(reporter, estimate_lines(estimate)),
            fits=fits_dir(),
        )
        written = list[Path]()
        if out:
            with postponed(errors):
                written += audit_files.write(found, out)
        return found, written


def _show(report: AuditReport, top: int, *, to_stderr: bool) -> None:
    """Print a table for each kind of which something was found, and what to know."""
    from rich.console import Console

    from stackkit.utils.tables import print_literal, print_table, unwrapped

    console = unwrapped(Console(stderr=to_stderr))
    for kind, count in report.audit.counts.items():
        print_literal(console, report.summary(kind))
        if count:
            print_table(console, _columns(kind, report.audit.of_kind(kind)[:top]))
    if report.audit.hard_pairs:
        print_literal(console, f"{len(report.audit.hard_pairs):,} pairs of classes are hardly separable")
        print_table(console, _pair_columns(report, top))
    for line in _lines(report):
        print_literal(console, line)


def _columns(kind: Kind, found: list[Finding]) -> list[Column]:
    from stackkit.utils.tables import Column

    columns = [
        Column(heading="image", cells=[each.id for each in found], is_name=True),
        Column(heading="label", cells=[each.label for each in found], is_name=True, rank=1),
    ]
    if kind == "label":
        cells = [each.suggested or "unclear" for each in found]
        columns.append(Column(heading="looks like", cells=cells, is_name=True))
    if kind == "near-duplicate":
        cells = [each.other for each in found]
        columns.append(Column(heading="resembles", cells=cells, is_name=True))
    reasons = [each.reason for each in found]
    return [*columns, Column(heading="why", cells=reasons, is_name=True, rank=2)]


def _pair_columns(report: AuditReport, top: int) -> list[Column]:
    from stackkit.utils.tables import Column

    pairs = report.audit.hard_pairs[:top]
    return [
        Column(heading="class", cells=[each.first for each in pairs], is_name=True),
        Column(heading="and class", cells=[each.second for each in pairs], is_name=True),
        Column(heading="mixed up", cells=[str(each.images) for each in pairs]),
        Column(heading="percent", cells=[f"{100 * each.share:.1f}" for each in pairs]),
    ]


def _lines(report: AuditReport) -> Iterator[str]:
    yield from report.notes()
    yield from report.audit.skipped.values()
    yield "These are suspicions: look at each image before you change a label or leave an image out."
