"""`stackkit run`: extract features, then fit and evaluate classifiers on them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackkit.api.errors import UsageError
from stackkit.cli import model_options, options
from stackkit.cli.host import the_host
from stackkit.cli.model_lines import model_lines
from stackkit.cli.output import postponed, print_csv, print_json, stdout_set_aside
from stackkit.cli.recipe_options import first_from, parse_recipe
from stackkit.recipe import Recipe
from stackkit.utils.console import say

if TYPE_CHECKING:
    from stackkit.api.reporter import Reporter
    from stackkit.cli.progress import Style
    from stackkit.experiment.run import Finished
    from stackkit.experiment.saving import Saving
    from stackkit.preview import Preview
    from stackkit.report.report import Report
    from stackkit.store import FeatureStore


@first_from(parse_recipe)
def run(
    recipe: Recipe,
    out: options.Out = None,
    overwrite: model_options.OverwriteBoth = False,
    html: options.Html = True,
    save: model_options.Save = None,
    save_aggregator: model_options.SaveAggregator = None,
    with_weights: model_options.WithWeights = False,
    with_examples: model_options.WithExamples = False,
    licence: model_options.Licence = None,
    store: options.Store = None,
    feature_dtype: options.FeatureDtype = "float32",
    device: options.Device = None,
    threads: options.Threads = None,
    dry_run: options.DryRun = False,
    progress: options.Progress = "auto",
    as_json: options.Json = False,
    as_csv: options.Csv = False,
) -> None:
    """Extract features, stack classifiers and report accuracy.

    Features are stored: another run on the same images reuses them. Without other options, this is
    the recipe `published`.

    Try: stackkit run --dataset mnist:limit=50 --recipe recommended
    """
    options.check_count("--threads", threads)
    output = options.output_format(as_json=as_json, as_csv=as_csv)
    recipe = replace(recipe, device=device, threads=threads)
    feature_store = options.feature_store(store, feature_dtype)
    saving = _saving(
        save,
        out,
        aggregator=save_aggregator or "",
        overwrite=overwrite,
        with_weights=with_weights,
        with_examples=with_examples,
        licence=licence or "",
    )
    if dry_run:
        _dry_run(recipe, out, overwrite, feature_store, progress, output, saving)
    else:
        given = (recipe, out, overwrite, feature_store, progress, output)
        run_recipe(*given, may_extract=True, html=html, saving=saving)


def _dry_run(
    recipe: Recipe,
    out: Path | None,
    overwrite: bool,
    store: FeatureStore,
    style: Style,
    output: options.OutputFormat,
    saving: Saving | None,
) -> None:
    """Show what a run would do; refuse what it would refuse."""
    if output == "csv":
        raise UsageError("--csv prints results, and --dry-run has none; use --json")
    from stackkit.cli.preview import show_dry_run
    from stackkit.report import report as report_file

    if out:
        report_file.check(out, overwrite=overwrite)
    choose = saving.chooser(recipe) if saving else None
    show_dry_run(recipe, store, style, as_json=output == "json", evaluable=True, choose=choose)


def _saving(path: Path | None, folder: Path | None, **given: Any) -> Saving | None:
    """Return what is saved, checked; raises UsageError for options without --save.

    `folder` is where the report goes, `given` are the other parameters of `Saving`.
    """
    if path:
        from stackkit.experiment.saving import Saving

        if folder and path.absolute() == folder.absolute():
            raise UsageError(f"--out is a folder and --save a file, got {path} for both")
        saving = Saving(path=path, **given)
        saving.check()
        return saving
    without = next((option for name, option in _OF_MODELS.items() if given.get(name)), None)
    if without:
        raise UsageError(f"{without} needs --save FILE, which writes a model")
    return None


_OF_MODELS = {
    "aggregator": "--save-aggregator",
    "with_weights": "--with-weights",
    "with_examples": "--with-examples",
    "licence": "--licence",
}
"""Options that only say what a saved model is like."""


def run_recipe(
    recipe: Recipe,
    out: Path | None,
    overwrite: bool,
    store: FeatureStore,
    style: Style,
    output: options.OutputFormat,
    *,
    may_extract: bool,
    html: bool = True,
    saving: Saving | None = None,
) -> None:
    """Run a recipe, show its report, write what is asked for; `may_extract=False`: stored features."""
    from stackkit.api.paths import fits_dir
    from stackkit.cli.preview import estimate_lines, preview_lines, show
    from stackkit.cli.progress import progress
    from stackkit.experiment.evaluation import Outputs
    from stackkit.experiment.run import Steps, carry_out
    from stackkit.host.registry import Registry
    from stackkit.report import report as report_file

    lines, errors = list[str](), list[BaseException]()

    def begin(preview: Preview) -> None:
        show(reporter, preview_lines(preview, evaluable=True))
        if out:  # now: before hours of work, but not created for a mistyped component
            held.enter_context(report_file.reserved(out, overwrite=overwrite))

    with ExitStack() as held, stdout_set_aside(), progress(style) as reporter:
        steps = Steps(
            begin=begin,
            expect=lambda estimate: show(reporter, estimate_lines(estimate)),
            may_extract=may_extract,
            outputs=Outputs(fits=fits_dir(), folder=out),
        )
        task = (recipe, Registry(host=the_host()), store, reporter, steps)
        trained = saving.train(*task) if saving else None
        found = trained.found if trained else carry_out(*task)
        if saving and trained:
            with postponed(errors):
                found = replace(found, report=saving.save(trained))
                lines += model_lines(trained, saving.path)
        with postponed(errors):
            lines += _recorded(found, out, reporter, overwrite=overwrite, html=html)
    _show(found, lines, output, errors)


def _recorded(
    found: Finished, out: Path | None, reporter: Reporter, *, overwrite: bool, html: bool
) -> Iterator[str]:
    """Write the files of a run, and yield a line that says where each is as soon as it is written."""
    from stackkit.experiment.recording import keep, write_files

    tell = reporter.message
    if out is None:
        if folder := keep(found, tell):
            yield f"report: run `stackkit report` to see it (kept in {folder})"
        return
    yield f"report: {write_files(found, out, overwrite=overwrite, tell=tell)}"
    if html:
        # Only now: matplotlib and scikit-learn take a second to import.
        from stackkit.experiment.page import page_of_run

        if path := page_of_run(found, out, reporter):
            yield f"report: {path}"


def _show(
    found: Finished,
    lines: Iterable[str],
    output: options.OutputFormat,
    errors: Sequence[BaseException],
) -> None:
    """Show the tables and the lines about what was written, and print the report as `output` says.

    Then raise the first error that was postponed.
    """
    from rich.console import Console

    from stackkit.report import table

    reports = found.reports
    table.show_all(reports, Console(stderr=output != "text"))
    for line in lines:
        say(line, err=True)
    if output == "json":
        print_json(found.document())
    elif output == "csv":
        print_csv([row for report in reports for row in _csv_rows(report, len(reports) > 1)])
    if errors:
        raise errors[0]


def _csv_rows(report: Report, several: bool) -> list[dict[str, Any]]:
    """Return the rows of a table; of several, each row says which protocol it belongs to."""
    from stackkit.report import table

    protocol = {"protocol": report.protocol.kind} if several else {}
    return [{**protocol, **row} for row in table.documents(report)]
