"""`stackkit run` and its second half, `stackkit evaluate`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from stackkit.api.errors import UsageError
from stackkit.cli import options
from stackkit.cli.host import the_host
from stackkit.cli.output import print_json, stdout_set_aside
from stackkit.recipe import AGGREGATORS, BASELINES, FOLDS, RECIPE_BACKBONES, Recipe

if TYPE_CHECKING:
    from stackkit.cli.progress import Style
    from stackkit.preview import Preview
    from stackkit.store import FeatureStore


def _recipe(
    dataset: options.Dataset,
    backbones: options.Backbones = None,
    learner: options.Learner = "logistic",
    aggregator: options.Aggregators = None,
    baseline: options.Baselines = None,
    cv: options.Folds = None,
    split: options.Split = None,
    shuffle: options.Shuffle = False,
    repeats: options.Repeats = 1,
    inner_cv: options.InnerFolds = 3,
    refit: options.Refit = True,
    jobs: options.Jobs = None,
    seed: options.Seed = 0,
    strict: options.Strict = False,
) -> Recipe:
    _check_protocol(cv, split, shuffle, repeats, inner_cv)
    options.check_seed(seed + repeats - 1)
    options.check_count("--jobs", jobs)
    return Recipe(
        dataset=dataset,
        backbones=tuple(backbones or RECIPE_BACKBONES),
        learner=learner,
        aggregators=tuple(aggregator or AGGREGATORS),
        baselines=() if baseline == ["none"] else tuple(baseline or BASELINES),
        cv=FOLDS if cv is None else cv,
        repeats=repeats,
        official=bool(split),
        shuffle=shuffle,
        inner_cv=inner_cv,
        refit=refit,
        jobs=jobs,
        seed=seed,
        strict=strict,
    )


def _check_protocol(
    cv: int | None, split: str | None, shuffle: bool, repeats: int, inner_cv: int
) -> None:
    options.check_count("--repeats", repeats)
    if repeats > 1 and not shuffle:
        raise UsageError(f"--repeats {repeats} would repeat the same folds; add --shuffle")
    if split and (cv is not None or shuffle):
        raise UsageError(
            "--split official and --cv or --shuffle exclude each other; choose one protocol"
        )
    if inner_cv < 2:
        raise UsageError(f"--inner-cv {inner_cv}: at least 2 folds are wanted")


@options.first_from(_recipe)
def run(
    recipe: Recipe,
    out: options.Out = None,
    overwrite: options.Overwrite = False,
    store: options.Store = None,
    feature_dtype: options.FeatureDtype = "float32",
    device: options.Device = None,
    threads: options.Threads = None,
    dry_run: options.DryRun = False,
    progress: options.Progress = "auto",
    as_json: options.Json = False,
) -> None:
    """Extract features, fit and stack classifiers, and say how good they are.

    Features are kept: a second run, or one with other learners, computes none of them again.

    Try: stackkit run --dataset mnist:limit=50 --backbones 'efficientnet-lite*'
    """
    options.check_count("--threads", threads)
    recipe = replace(recipe, device=device, threads=threads)
    feature_store = options.feature_store(store, feature_dtype)
    if dry_run:
        from stackkit.cli.preview import predict
        from stackkit.report import report as report_file

        if out:
            report_file.check(out, overwrite=overwrite)
        predict(recipe, feature_store, progress, as_json=as_json, evaluable=True)
    else:
        _carry_out(recipe, out, overwrite, feature_store, progress, as_json, may_extract=True)


@options.first_from(_recipe)
def evaluate(
    recipe: Recipe,
    out: options.Out = None,
    overwrite: options.Overwrite = False,
    store: options.Store = None,
    feature_dtype: options.FeatureDtype = "float32",
    progress: options.Progress = "auto",
    as_json: options.Json = False,
) -> None:
    """Fit and stack classifiers on features that `stackkit extract` has stored.

    Try: stackkit evaluate --dataset mnist:limit=50 --backbones 'efficientnet-lite*' --shuffle
    """
    feature_store = options.feature_store(store, feature_dtype)
    _carry_out(recipe, out, overwrite, feature_store, progress, as_json, may_extract=False)


def _carry_out(
    recipe: Recipe,
    out: Path | None,
    overwrite: bool,
    store: FeatureStore,
    style: Style,
    as_json: bool,
    *,
    may_extract: bool,
) -> None:
    from rich.console import Console

    from stackkit import experiment
    from stackkit.api.paths import fits_dir
    from stackkit.cli.preview import forecast_lines, plan_lines, tell
    from stackkit.cli.progress import progress
    from stackkit.host.registry import Registry
    from stackkit.report import report as report_file
    from stackkit.report import table

    errors = Console(stderr=True)
    people = errors if as_json else Console()

    def begin(preview: Preview) -> None:
        tell(reporter, plan_lines(preview, evaluable=True))
        if out:  # refused before hours of work, and not made for a mistyped name
            report_file.prepare(out, overwrite=overwrite)

    with stdout_set_aside(), progress(style) as reporter:
        report = experiment.run(
            recipe,
            Registry(host=the_host()),
            store,
            reporter,
            begin=begin,
            expect=lambda estimate: tell(reporter, forecast_lines(estimate)),
            may_extract=may_extract,
            fits=fits_dir(),
            out=out,
        )
    if out:
        written = report_file.write(report, out)
    table.show(report, people)
    if out:
        errors.print(f"report: {written}", markup=False, highlight=False, soft_wrap=True)
    if as_json:
        print_json(report.document())
