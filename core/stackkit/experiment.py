"""The whole story: a recipe's names become components, images become features, features a report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import compress
from pathlib import Path

from stackkit import __version__
from stackkit.api.errors import EvaluationError
from stackkit.api.types import Dataset, FailedImage, Reporter
from stackkit.evaluation.comparison import Comparison
from stackkit.evaluation.fit_cache import FitCache
from stackkit.evaluation.inputs import (
    UsableFeatures,
    comparison,
    make_classifiers,
    usable_features,
)
from stackkit.evaluation.metrics import Result
from stackkit.evaluation.protocol import folds_of
from stackkit.evaluation.scheduler import FitScheduler
from stackkit.extraction.backbone import make_backbone, require_weights
from stackkit.extraction.dataset import CheckedDataset, open_dataset
from stackkit.extraction.decoding import strict_error
from stackkit.extraction.estimate import Estimate
from stackkit.extraction.extract import ExtractionSummary, estimate_extraction, extract, fingerprints
from stackkit.extraction.stored import already_extracted
from stackkit.host.component import describe
from stackkit.host.registry import Registry
from stackkit.preview import Plan, Prediction, make_plan
from stackkit.recipe import Recipe, ResolvedRecipe, resolve
from stackkit.report.caveats import notes
from stackkit.report.probability_file import probability_file
from stackkit.report.report import FoldSize, Report
from stackkit.store import DatasetRows, FeatureStore
from stackkit.utils.interrupts import ctrl_c_waits
from stackkit.utils.versions import versions

FITS_IN_HAND = "stopping after the fits in hand; finished ones are kept; Ctrl-C again stops at once"


def extract_features(
    recipe: Recipe,
    registry: Registry,
    store: FeatureStore,
    reporter: Reporter,
    *,
    begin: Callable[[Plan], None] = lambda plan: None,
    expect: Callable[[Estimate], None] = lambda forecast: None,
) -> ExtractionSummary:
    """Compute the features that the store lacks for a recipe's dataset and backbones.

    `begin` and `expect` are called as `run` does.
    """
    plan, dataset = _planned(recipe, registry, store)
    begin(plan)
    require_weights(plan.components.backbones, plan.backbones, registry)
    return _obtain(recipe, plan, dataset, store, reporter, expect=expect)[1]


def predict(
    recipe: Recipe, registry: Registry, store: FeatureStore, reporter: Reporter, *, evaluable: bool
) -> Prediction:
    """What `extract_features`, or with `evaluable` `run`, would do and take.

    Downloads nothing and keeps nothing. Backbones whose weights are here are warmed up; of the
    others the time is unknown, and of all if the dataset has yet to be fetched.
    """
    if (components := resolve(recipe, registry)).dataset.unavailable_reason():
        if evaluable:
            make_classifiers(components)
        named = [make_backbone(choice) for choice in components.backbones]
        return Prediction(plan=make_plan(recipe, components, None, named, store), forecast=None)
    plan, dataset = _planned(recipe, registry, store, evaluable=evaluable)
    rows, failed = fingerprints(plan.components.dataset.text, dataset, reporter)
    _refuse_if_strict(recipe, failed)
    here = [unavailable_reason is None for unavailable_reason in plan.unavailable_reason]
    ready = list(compress(plan.backbones, here))
    require_weights(list(compress(plan.components.backbones, here)), ready, registry)
    forecast = estimate_extraction(dataset, rows, ready, store, reporter, strict=recipe.strict)
    return Prediction(plan=plan, forecast=plan.with_unready(forecast))


def run(
    recipe: Recipe,
    registry: Registry,
    store: FeatureStore,
    reporter: Reporter,
    *,
    begin: Callable[[Plan], None] = lambda plan: None,
    expect: Callable[[Estimate], None] = lambda forecast: None,
    may_extract: bool = True,
    fits: Path | None = None,
    out: Path | None = None,
) -> Report:
    """Carry a recipe out: extract what the store lacks, then evaluate.

    `begin` is called with the plan before anything is downloaded or computed, `expect` with what
    the extraction is going to take before anything is kept. Finished fits are kept in `fits` and
    taken from there; probabilities go to `out`. None: neither is kept.
    `may_extract=False` evaluates stored features only, and raises EvaluationError or StoreError
    if some are missing.
    """
    started, timings = time.perf_counter(), dict[str, float]()
    plan, dataset = _planned(recipe, registry, store, evaluable=True)
    components, named = plan.components, plan.backbones
    begin(plan)
    require_weights(components.backbones, named, registry)
    with _timed(timings, "extraction_s"):
        if may_extract:
            rows, summary = _obtain(recipe, plan, dataset, store, reporter, expect=expect)
        else:
            rows, summary = _find(recipe, plan, dataset, store, reporter)
    with _timed(timings, "evaluation_s"), _blaming(summary.failed):
        usable = usable_features(dataset, rows, named, store)
        compared, results = _evaluate(recipe, components, dataset, usable, reporter, fits, out)
    timings["total_s"] = time.perf_counter() - started
    reservations = (
        *notes(plan.protocol, compared, results, summary.failed, usable.lost),
        *dataset.notes,
    )
    return _report(plan, dataset.classes, summary, compared, results, timings, reservations)


def _report(
    plan: Plan,
    classes: Sequence[str],
    summary: ExtractionSummary,
    compared: Comparison,
    results: Sequence[Result],
    timings: Mapping[str, float],
    reservations: Sequence[str],
) -> Report:
    return Report(
        stackkit=__version__,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        dataset=plan.components.dataset.text,
        protocol=plan.protocol,
        classes=tuple(classes),
        n_images=compared.n_images,
        folds=tuple(FoldSize(train=len(f.train), test=len(f.test)) for f in compared.folds),
        failed_images=summary.failed,
        results=tuple(results),
        components=tuple(describe(plan.components.all)),
        extraction={
            label: {"computed": computed, "reused": summary.reused[label]}
            for label, computed in summary.computed.items()
        },
        versions=versions(),
        timings={name: round(seconds, 3) for name, seconds in timings.items()},
        notes=tuple(reservations),
    )


def _planned(
    recipe: Recipe, registry: Registry, store: FeatureStore, *, evaluable: bool = False
) -> tuple[Plan, CheckedDataset]:
    """Names become components; with `evaluable`, what could not be evaluated is refused now."""
    components = resolve(recipe, registry)
    dataset = open_dataset(components.dataset)
    if evaluable:  # before hours of extraction
        make_classifiers(components)
        folds_of(recipe, dataset, range(len(dataset.samples)))
    named = [make_backbone(choice) for choice in components.backbones]
    return make_plan(recipe, components, dataset, named, store), dataset


def _obtain(
    recipe: Recipe,
    plan: Plan,
    dataset: Dataset,
    store: FeatureStore,
    reporter: Reporter,
    *,
    expect: Callable[[Estimate], None],
) -> tuple[DatasetRows, ExtractionSummary]:
    """Have the features of every readable image in the store; all failures in one summary."""
    rows, failed = fingerprints(plan.components.dataset.text, dataset, reporter)
    _refuse_if_strict(recipe, failed)
    summary = extract(
        dataset, rows, plan.backbones, store, reporter, strict=recipe.strict, expect=expect
    )
    return rows, replace(summary, failed=(*failed, *summary.failed))


def _evaluate(
    recipe: Recipe,
    components: ResolvedRecipe,
    dataset: Dataset,
    usable: UsableFeatures,
    reporter: Reporter,
    fits: Path | None,
    out: Path | None,
) -> tuple[Comparison, list[Result]]:
    """Fit what is not kept yet, several fits at a time; a first Ctrl-C waits for those in hand."""
    with (
        ctrl_c_waits(reporter.message, FITS_IN_HAND) as stop_if_asked,
        probability_file(out, reporter.message) as probabilities,
    ):
        scheduler = FitScheduler(
            kept=FitCache(fits), reporter=reporter, stop_if_asked=stop_if_asked, jobs=recipe.jobs
        )
        tell = probabilities.add if probabilities else lambda outcome: None
        compared = comparison(recipe, components, dataset, usable, scheduler, tell)
        if probabilities:
            probabilities.begin(
                [dataset.samples[int(row)].id for row in usable.kept],
                compared.labels,
                dataset.classes,
                [features.label for features in usable.features],
                components.learner.text,
            )
        return compared, compared.results()


def _find(
    recipe: Recipe, plan: Plan, dataset: Dataset, store: FeatureStore, reporter: Reporter
) -> tuple[DatasetRows, ExtractionSummary]:
    """See that the features of every readable image are in the store."""
    rows, failed = fingerprints(plan.components.dataset.text, dataset, reporter)
    summary = already_extracted(dataset, rows, plan.backbones, store)
    failed += summary.failed
    _refuse_if_strict(recipe, failed)
    return rows, replace(summary, failed=tuple(failed))


def _refuse_if_strict(recipe: Recipe, failed: Sequence[FailedImage]) -> None:
    if failed and recipe.strict:
        raise strict_error(failed[0])


@contextmanager
def _timed(timings: dict[str, float], name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    timings[name] = time.perf_counter() - start


@contextmanager
def _blaming(failed: Sequence[FailedImage]) -> Iterator[None]:
    """Let an error of the evaluation name the images that are missing: they may be its cause."""
    try:
        yield
    except EvaluationError as error:
        if not failed:
            raise
        raise EvaluationError(
            f"{error} ({len(failed)} image(s) could not be read, the first {failed[0].id}: "
            f"{failed[0].reason}; features of the others are kept)"
        ) from error
