"""Compute the features of a recipe, or find them in the store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from stackkit.api.dataset import Dataset, FailedImage
from stackkit.api.executor import Executor
from stackkit.api.reporter import Reporter
from stackkit.evaluation.evaluability import check_folds
from stackkit.execution.opening import opened
from stackkit.extraction.dataset import open_dataset, part_of
from stackkit.extraction.decoding import strict_error
from stackkit.extraction.estimate import Estimate
from stackkit.extraction.extract import extract, fingerprints
from stackkit.extraction.image_remarks import remarks_on_all
from stackkit.extraction.stored import already_extracted
from stackkit.extraction.summary import ExtractionSummary
from stackkit.extraction.weights import require_weights
from stackkit.host.figures import FigureWatch
from stackkit.host.registry import Registry
from stackkit.preview import Preview, make_preview
from stackkit.recipe import Recipe, resolve
from stackkit.store import DatasetRows, FeatureStore


def extract_features(
    recipe: Recipe,
    registry: Registry,
    store: FeatureStore,
    reporter: Reporter,
    *,
    begin: Callable[[Preview], None] = lambda preview: None,
    expect: Callable[[Estimate], None] = lambda estimate: None,
    shard: tuple[int, int] | None = None,
) -> ExtractionSummary:
    """Compute the features of a recipe's dataset and backbones that are not in the store yet.

    Parameters, return value and errors are those of the first half of `run`. With `shard`, only this
    range of the images, see `part_of`, is computed, and stored in a file of its own.
    """
    components = resolve(recipe, registry)
    effects = FigureWatch(registry.host, components.all)
    dataset = open_dataset(components.dataset)
    dataset = part_of(dataset, *shard) if shard else dataset
    preview = make_preview(recipe, components, dataset, store)
    begin(preview)
    require_weights(components.backbones, preview.backbones, registry)
    with opened(components.executor) as executor:
        _, summary = computed_features(recipe, preview, dataset, store, reporter, expect, executor)
    return replace(summary, notes=effects.notes())


def computed_features(
    recipe: Recipe,
    preview: Preview,
    dataset: Dataset,
    store: FeatureStore,
    reporter: Reporter,
    expect: Callable[[Estimate], None],
    executor: Executor | None = None,
) -> tuple[DatasetRows, ExtractionSummary]:
    """Extract features; the summary lists images that failed while fingerprinted or decoded."""
    rows, failed = fingerprints(preview.components.dataset.text, dataset, reporter, executor)
    refuse_if_strict(recipe, failed)
    if recipe.group_duplicates:  # copies are known only now, and may leave a class with too few groups
        check_folds(recipe, dataset, rows.fingerprints)
    summary = extract(
        dataset,
        rows,
        preview.backbones,
        store,
        reporter,
        strict=recipe.strict,
        expect=expect,
        executor=executor,
    )
    summary = replace(summary, failed=(*failed, *summary.failed))
    return rows, _with_all_remarks(recipe, dataset, rows, summary, store, reporter)


def stored_features(
    recipe: Recipe,
    preview: Preview,
    dataset: Dataset,
    store: FeatureStore,
    reporter: Reporter,
    executor: Executor | None = None,
) -> tuple[DatasetRows, ExtractionSummary]:
    """Check that the store has the features of every readable image."""
    rows, failed = fingerprints(preview.components.dataset.text, dataset, reporter, executor)
    summary = already_extracted(dataset, rows, preview.backbones, store)
    failed += summary.failed
    refuse_if_strict(recipe, failed)
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
    refuse_if_strict(recipe, summary.suspect)
    return summary


def refuse_if_strict(recipe: Recipe, failed: Sequence[FailedImage]) -> None:
    """Raise an ImageError of the first failed image if the recipe says so."""
    if failed and recipe.strict:
        raise strict_error(failed[0])
