"""Run whole experiments: from a recipe through components and features to a report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import compress
from pathlib import Path

from stackkit import __version__
from stackkit.api.errors import EvaluationError, UsageError
from stackkit.api.types import Dataset, FailedImage, Reporter
from stackkit.evaluation.classifiers import CheckedClassifiers, check_classifiers
from stackkit.evaluation.comparison import Comparison, FoldOutcome
from stackkit.evaluation.fit_cache import FitCache
from stackkit.evaluation.inputs import (
    UsableFeatures,
    make_comparison,
    usable_features,
)
from stackkit.evaluation.metrics import Result
from stackkit.evaluation.overlaps import SharedImages, find_duplicates, summarise_groups
from stackkit.evaluation.protocol import folds_of, groups_of, has_groups
from stackkit.evaluation.scheduler import FitScheduler
from stackkit.extraction.backbone import require_weights
from stackkit.extraction.dataset import open_dataset
from stackkit.extraction.decoding import strict_error
from stackkit.extraction.estimate import Estimate
from stackkit.extraction.extract import estimate_extraction, extract, fingerprints
from stackkit.extraction.image_remarks import remarks_on_all
from stackkit.extraction.stored import already_extracted
from stackkit.extraction.summary import ExtractionSummary
from stackkit.host.component import describe
from stackkit.host.figures import FigureWatch
from stackkit.host.host_options import BOXES, finds_boxes
from stackkit.host.registry import Registry
from stackkit.preview import DryRun, Preview, make_preview
from stackkit.recipe import Recipe, ResolvedRecipe, resolve
from stackkit.report.caveats import notes
from stackkit.report.image_notes import image_notes
from stackkit.report.predictions import Predictions
from stackkit.report.probability_file import probability_file
from stackkit.report.report import FoldSize, RecipeUsed, Report
from stackkit.report.shared_images import notes_on_shared_images
from stackkit.store import DatasetRows, FeatureStore
from stackkit.utils.interrupts import ctrl_c_waits
from stackkit.utils.versions import versions

STOPPING_FITS = "finishing the fits in progress, which are kept; press Ctrl-C again to stop at once"
"""Message after a first Ctrl-C during the evaluation."""


def extract_features(
    recipe: Recipe,
    registry: Registry,
    store: FeatureStore,
    reporter: Reporter,
    *,
    begin: Callable[[Preview], None] = lambda preview: None,
    expect: Callable[[Estimate], None] = lambda estimate: None,
) -> ExtractionSummary:
    """Compute the features of a recipe's dataset and backbones that are not in the store yet.

    Parameters, return value and errors are those of the first half of `run`.
    """
    components = resolve(recipe, registry)
    effects = FigureWatch(registry.host, components.all)
    dataset = open_dataset(components.dataset)
    preview = make_preview(recipe, components, dataset, store)
    begin(preview)
    require_weights(components.backbones, preview.backbones, registry)
    _, summary = _extract(recipe, preview, dataset, store, reporter, expect)
    return replace(summary, notes=effects.notes())


def dry_run(
    recipe: Recipe, registry: Registry, store: FeatureStore, reporter: Reporter, *, evaluable: bool
) -> DryRun:
    """Find out what a run would do and take; downloads nothing and stores nothing.

    Parameters
    ----------
    recipe, registry, store, reporter
        As for `run`.
    evaluable : bool
        Whether to check, as `run` does, that the recipe can be evaluated. False for `extract_features`.

    Returns
    -------
    DryRun
        Backbones with weights on this machine are run on a few images to measure their speed. The time
        of the others is unknown, and so is everything about images while the dataset is not fetched.

    """
    components = resolve(recipe, registry)
    if components.dataset.unavailable_reason():
        if evaluable:
            check_classifiers(components)
        return DryRun(preview=make_preview(recipe, components, None, store), estimate=None)
    dataset = open_dataset(components.dataset)
    if evaluable:
        _check_evaluable(recipe, components, dataset)
    preview = make_preview(recipe, components, dataset, store)
    rows, failed = fingerprints(components.dataset.text, dataset, reporter)
    _refuse_if_strict(recipe, failed)
    if evaluable and recipe.group_duplicates:
        _check_folds(recipe, dataset, rows.fingerprints)
    available = [reason is None for reason in preview.unavailable_reasons]
    backbones = list(compress(preview.backbones, available))
    require_weights(list(compress(components.backbones, available)), backbones, registry)
    estimate = estimate_extraction(dataset, rows, backbones, store, reporter, strict=recipe.strict)
    return DryRun(preview=preview, estimate=preview.complete(estimate))


def run(
    recipe: Recipe,
    registry: Registry,
    store: FeatureStore,
    reporter: Reporter,
    *,
    begin: Callable[[Preview], None] = lambda preview: None,
    expect: Callable[[Estimate], None] = lambda estimate: None,
    may_extract: bool = True,
    fits: Path | None = None,
    out: Path | None = None,
    predictions: Predictions | None = None,
) -> Report:
    """Extract the features that are not in the store yet, then evaluate all classifiers.

    Parameters
    ----------
    recipe : Recipe
        What to run.
    registry : Registry
        Finds components by name.
    store : FeatureStore
        Provides stored features and receives new ones.
    reporter : Reporter
        Shows progress.
    begin : callable
        Called with the preview before anything is downloaded or computed.
    expect : callable
        Called with the estimate of the extraction before any features are stored.
    may_extract : bool
        False to evaluate stored features only.
    fits : Path or None
        Folder that caches finished fits; None caches nothing.
    out : Path or None
        Folder for probabilities.h5; None writes no such file.
    predictions : Predictions or None
        Receives what every classifier predicts.

    Returns
    -------
    Report
        All results.

    Raises
    ------
    StackkitError
        Of the class that tells what went wrong; nothing is evaluated. With ``may_extract=False``,
        missing features raise EvaluationError or StoreError.

    """
    started, timings = time.perf_counter(), dict[str, float]()
    # Names, options, classifiers and folds are checked before `begin`, so before anything is downloaded.
    components = resolve(recipe, registry)
    effects = FigureWatch(registry.host, components.all)
    dataset = open_dataset(components.dataset)
    classifiers = _check_evaluable(recipe, components, dataset)
    preview = make_preview(recipe, components, dataset, store)
    begin(preview)
    require_weights(components.backbones, preview.backbones, registry)
    with _timed(timings, "extraction_s"):
        if may_extract:
            rows, summary = _extract(recipe, preview, dataset, store, reporter, expect)
        else:
            rows, summary = _find_extracted(recipe, preview, dataset, store, reporter)
    with _timed(timings, "evaluation_s"), _mention_failed_images(summary.failed):
        usable = usable_features(dataset, rows, preview.backbones, store)
        cached = None if effects.during_run() else fits  # other runs must not reuse such fits
        comparison, results = _evaluate(
            recipe, classifiers, dataset, usable, reporter, cached, out, predictions or Predictions()
        )
    timings["total_s"] = time.perf_counter() - started
    shared = _shared_images(recipe, dataset, usable, comparison)
    all_notes = (
        *notes(preview.protocol, comparison, results, summary.failed, usable.missing),
        *notes_on_shared_images(preview.protocol, comparison, shared),
        *image_notes(summary.remarks),
        *dataset.notes,
        *effects.notes(),
    )
    report = _report(preview, dataset.classes, summary, comparison, results, shared, timings, all_notes)
    return replace(report, recipe=RecipeUsed.of(recipe))


def _check_evaluable(recipe: Recipe, components: ResolvedRecipe, dataset: Dataset) -> CheckedClassifiers:
    """Refuse before hours of extraction what could not be evaluated afterwards."""
    _refuse_boxes(components)
    classifiers = check_classifiers(components)
    _check_folds(recipe, dataset, fingerprints=())
    return classifiers


def _refuse_boxes(components: ResolvedRecipe) -> None:
    for each in components.backbones:
        if finds_boxes(each.component.spec) and each.options["pooling"] == BOXES:
            raise UsageError(
                f"{each.label} finds boxes, from which no learner can tell classes; `stackkit extract` "
                "stores them, and views=attention of a backbone uses them"
            )


def _check_folds(recipe: Recipe, dataset: Dataset, fingerprints: Sequence[str]) -> None:
    rows = range(len(dataset.samples))
    folds_of(recipe, dataset, rows, groups_of(recipe, dataset, rows, fingerprints))


def _extract(
    recipe: Recipe,
    preview: Preview,
    dataset: Dataset,
    store: FeatureStore,
    reporter: Reporter,
    expect: Callable[[Estimate], None],
) -> tuple[DatasetRows, ExtractionSummary]:
    """Extract features; the summary lists images that failed while fingerprinted or decoded."""
    rows, failed = fingerprints(preview.components.dataset.text, dataset, reporter)
    _refuse_if_strict(recipe, failed)
    if recipe.group_duplicates:  # copies are known only now, and may leave a class with too few groups
        _check_folds(recipe, dataset, rows.fingerprints)
    summary = extract(
        dataset, rows, preview.backbones, store, reporter, strict=recipe.strict, expect=expect
    )
    summary = replace(summary, failed=(*failed, *summary.failed))
    return rows, _with_all_remarks(recipe, dataset, rows, summary, store, reporter)


def _find_extracted(
    recipe: Recipe, preview: Preview, dataset: Dataset, store: FeatureStore, reporter: Reporter
) -> tuple[DatasetRows, ExtractionSummary]:
    """Check that the store has the features of every readable image."""
    rows, failed = fingerprints(preview.components.dataset.text, dataset, reporter)
    summary = already_extracted(dataset, rows, preview.backbones, store)
    failed += summary.failed
    _refuse_if_strict(recipe, failed)
    summary = replace(summary, failed=tuple(failed))
    return rows, _with_all_remarks(recipe, dataset, rows, summary, store, reporter)


def _with_all_remarks(
    recipe: Recipe,
    dataset: Dataset,
    rows: DatasetRows,
    summary: ExtractionSummary,
    store: FeatureStore,
    reporter: Reporter,
) -> ExtractionSummary:
    """Add the remarks on images whose features were stored already."""
    found = remarks_on_all(dataset, rows, summary.remarks, summary.failed, store.folder, reporter)
    summary = replace(summary, remarks=found)
    _refuse_if_strict(recipe, summary.suspect)
    return summary


def _evaluate(
    recipe: Recipe,
    classifiers: CheckedClassifiers,
    dataset: Dataset,
    usable: UsableFeatures,
    reporter: Reporter,
    fits: Path | None,
    out: Path | None,
    predictions: Predictions,
) -> tuple[Comparison, list[Result]]:
    """Run all fits that are not cached; a first Ctrl-C waits for those in progress."""
    with (
        ctrl_c_waits(reporter.message, STOPPING_FITS) as stop_if_asked,
        probability_file(out, reporter.message) as probabilities,
    ):
        scheduler = FitScheduler(
            cache=FitCache(fits), reporter=reporter, stop_if_asked=stop_if_asked, jobs=recipe.jobs
        )

        def on_fold(outcome: FoldOutcome) -> None:
            predictions.add(outcome)
            if probabilities:
                probabilities.add(outcome)

        comparison = make_comparison(recipe, classifiers, dataset, usable, scheduler, on_fold)
        ids = [dataset.samples[int(row)].id for row in usable.rows]
        labels, folds = comparison.fit_plan.labels, len(comparison.folds) // comparison.repeats
        predictions.begin(ids, labels, dataset.classes, folds)
        if probabilities:
            probabilities.begin(
                ids,
                labels,
                dataset.classes,
                [features.label for features in usable.features],
                [learner.label for learner in classifiers.learners],
            )
        return comparison, comparison.run()


def _shared_images(
    recipe: Recipe, dataset: Dataset, usable: UsableFeatures, comparison: Comparison
) -> SharedImages:
    """Look for groups and copies among the images that were used."""
    samples, folds = [dataset.samples[int(row)] for row in usable.rows], comparison.folds
    groups = None
    if recipe.group_duplicates or has_groups(dataset):
        groups = summarise_groups(comparison.fit_plan.groups, samples, folds)
    duplicates = find_duplicates(dataset, samples, usable.fingerprints, folds)
    return SharedImages(groups=groups, duplicates=duplicates)


def _report(
    preview: Preview,
    classes: Sequence[str],
    summary: ExtractionSummary,
    comparison: Comparison,
    results: Sequence[Result],
    shared: SharedImages,
    timings: Mapping[str, float],
    all_notes: Sequence[str],
) -> Report:
    return Report(
        stackkit=__version__,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        dataset=preview.components.dataset.label,
        protocol=preview.protocol,
        classes=tuple(classes),
        n_images=comparison.n_images,
        class_sizes=tuple(comparison.class_sizes.tolist()),
        folds=tuple(FoldSize(train=len(f.train), test=len(f.test)) for f in comparison.folds),
        groups=shared.groups,
        duplicates=shared.duplicates,
        failed_images=summary.failed,
        suspect_images=summary.suspect,
        results=tuple(results),
        components=tuple(describe(preview.components.all)),
        extraction={
            label: {"computed": computed, "reused": summary.reused[label]}
            for label, computed in summary.computed.items()
        },
        versions=versions(),
        timings={name: round(seconds, 3) for name, seconds in timings.items()},
        notes=tuple(all_notes),
    )


def _refuse_if_strict(recipe: Recipe, failed: Sequence[FailedImage]) -> None:
    if failed and recipe.strict:
        raise strict_error(failed[0])


@contextmanager
def _timed(timings: dict[str, float], name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    timings[name] = time.perf_counter() - start


@contextmanager
def _mention_failed_images(failed: Sequence[FailedImage]) -> Iterator[None]:
    """Add unreadable images to errors of the evaluation, since they may be the cause."""
    try:
        yield
    except EvaluationError as error:
        if not failed:
            raise
        raise EvaluationError(
            f"{error} ({len(failed)} image(s) could not be read, first {failed[0].id}: "
            f"{failed[0].reason}; the features of all others are kept)"
        ) from error
