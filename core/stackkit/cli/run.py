"""`stackkit run`: extract features, then fit and evaluate classifiers on them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from stackkit.api.errors import StackkitError, UsageError
from stackkit.cli import model_options, options
from stackkit.cli.host import the_host
from stackkit.cli.model_lines import model_lines
from stackkit.cli.output import print_csv, print_json, stdout_set_aside
from stackkit.cli.recipe_options import first_from, parse_recipe
from stackkit.recipe import Recipe
from stackkit.utils.console import say

if TYPE_CHECKING:
    from stackkit.cli.progress import Style
    from stackkit.experiment.saving import Saving
    from stackkit.experiment.train import Trained
    from stackkit.preview import Preview
    from stackkit.report.predictions import Predictions
    from stackkit.report.report import Report
    from stackkit.store import FeatureStore


@first_from(parse_recipe)
def run(
    recipe: Recipe,
    out: options.Out = None,
    overwrite: options.Overwrite = False,
    save: model_options.Save = None,
    save_aggregator: model_options.SaveAggregator = None,
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
    if save_aggregator and not save:
        raise UsageError("--save-aggregator needs --save FILE, which writes a model")
    saving = None
    if save:
        from stackkit.experiment.saving import Saving

        saving = Saving(path=save, aggregator=save_aggregator or "", overwrite=overwrite)
        saving.check()
    if dry_run:
        if as_csv:
            raise UsageError("--csv prints results, and --dry-run has none; use --json")
        from stackkit.cli.preview import show_dry_run
        from stackkit.report import report as report_file

        if out:
            report_file.check(out, overwrite=overwrite)
        show_dry_run(recipe, feature_store, progress, as_json=as_json, evaluable=True)
    else:
        run_recipe(
            recipe, out, overwrite, feature_store, progress, output, may_extract=True, saving=saving
        )


def run_recipe(
    recipe: Recipe,
    out: Path | None,
    overwrite: bool,
    store: FeatureStore,
    style: Style,
    output: options.OutputFormat,
    *,
    may_extract: bool,
    saving: Saving | None = None,
) -> None:
    """Run a recipe, show its report and write it to `out`, and a model if asked for.

    `may_extract=False`: on stored features.
    """
    from stackkit.api.paths import fits_dir
    from stackkit.cli.preview import estimate_lines, preview_lines, show
    from stackkit.cli.progress import progress
    from stackkit.experiment.evaluation import Outputs
    from stackkit.experiment.run import Steps, carry_out
    from stackkit.host.registry import Registry
    from stackkit.report import report as report_file
    from stackkit.report.predictions import Predictions

    predictions = Predictions()

    def begin(preview: Preview) -> None:
        show(reporter, preview_lines(preview, evaluable=True))
        if out:  # now: before hours of work, but not created for a mistyped component
            held.enter_context(report_file.reserved(out, overwrite=overwrite))

    with ExitStack() as held, stdout_set_aside(), progress(style) as reporter:
        steps = Steps(
            begin=begin,
            expect=lambda estimate: show(reporter, estimate_lines(estimate)),
            may_extract=may_extract,
            outputs=Outputs(fits=fits_dir(), folder=out, predictions=predictions),
        )
        task = (recipe, Registry(host=the_host()), store, reporter, steps)
        trained = saving.train(*task) if saving else None
        report = trained.report if trained else carry_out(*task).report
        report, lines, not_written = _write(report, trained, saving, predictions, out, overwrite)
    _show(report, lines, output)
    if not_written:
        raise not_written


def _write(
    report: Report,
    trained: Trained | None,
    saving: Saving | None,
    predictions: Predictions,
    out: Path | None,
    overwrite: bool,
) -> tuple[Report, list[str], StackkitError | None]:
    """Write what is asked for; return the report, lines about what was written, and what went wrong.

    A full disk must not cost the result, and a model that cannot be written must not cost the report.
    """
    from stackkit.report import report as report_file

    lines, not_written = list[str](), None
    if saving and trained:
        try:
            report = saving.save(trained)
            lines += model_lines(trained, saving.path)
        except StackkitError as error:
            not_written = error
    if out:
        try:
            written = report_file.write(report, out, overwrite=overwrite)
            lines.append(f"report: {written}")
            _write_predictions(predictions, out)
        except StackkitError as error:
            not_written = error
    return report, lines, not_written


def _show(report: Report, lines: Iterable[str], output: options.OutputFormat) -> None:
    """Show the table and the lines about what was written, and print the report as `output` says."""
    from rich.console import Console

    from stackkit.report import table

    table.show(report, Console(stderr=output != "text"))
    for line in lines:
        say(line, err=True)
    if output == "json":
        print_json(report.document())
    elif output == "csv":
        print_csv(table.documents(report))


def _write_predictions(predictions: Predictions, out: Path) -> None:
    """Write predictions.csv; the report is written already, and a full disk must not cost it."""
    try:
        predictions.write(out)
    except OSError as error:
        say(f"warning: predictions.csv cannot be written ({error.strerror}); the report is", err=True)
