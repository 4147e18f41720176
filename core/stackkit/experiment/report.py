"""Put together the report of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from stackkit import __version__
from stackkit.api.dataset import Dataset
from stackkit.api.executor import Executor
from stackkit.evaluation.overlaps import SharedImages, find_duplicates, summarise_groups
from stackkit.evaluation.protocol import has_groups
from stackkit.experiment.evaluation import Evaluation
from stackkit.extraction.summary import ExtractionSummary
from stackkit.host.configured_component import ConfiguredComponent, describe
from stackkit.host.figures import FigureWatch
from stackkit.preview import Preview
from stackkit.recipe import LOCAL, Recipe
from stackkit.report.caveats import notes, notes_on_selection
from stackkit.report.image_notes import image_notes
from stackkit.report.report import Cost, ExecutorUsed, FoldSize, RecipeUsed, Report
from stackkit.report.shared_images import notes_on_shared_images
from stackkit.utils.versions import versions
from stackkit.verdicts.judging import make_verdicts
from stackkit.verdicts.verdict import Verdicts


def make_report(
    recipe: Recipe,
    preview: Preview,
    dataset: Dataset,
    summary: ExtractionSummary,
    evaluation: Evaluation,
    costs: Sequence[Cost],
    timings: Mapping[str, float],
    effects: FigureWatch,
    executor: ExecutorUsed,
) -> Report:
    """Describe what was run, on what, how, and with which results; `timings` are in seconds."""
    comparison = evaluation.comparison
    shared = _shared_images(recipe, dataset, evaluation)
    verdicts = make_verdicts(
        evaluation.results,
        evaluation.references,
        evaluation.outcomes,
        preview.protocol,
        learning_curve=evaluation.learning_curve,
        shared=shared,
    )
    all_notes = (*_notes(preview, dataset, summary, evaluation, shared, verdicts), *effects.notes())
    return Report(
        stackkit=__version__,
        recipe=RecipeUsed.of(recipe),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        dataset=preview.components.dataset.label,
        protocol=preview.protocol,
        classes=tuple(dataset.classes),
        n_images=comparison.n_images,
        class_sizes=tuple(comparison.class_sizes.tolist()),
        folds=tuple(FoldSize(train=len(f.train), test=len(f.test)) for f in comparison.folds),
        groups=shared.groups,
        duplicates=shared.duplicates,
        failed_images=summary.failed,
        suspect_images=summary.suspect,
        results=tuple(evaluation.results),
        components=tuple(describe(preview.components.all)),
        extraction=_extraction(summary),
        versions=versions(),
        timings={name: round(seconds, 3) for name, seconds in timings.items()},
        notes=all_notes,
        references=tuple(evaluation.references),
        costs=tuple(costs),
        verdicts=verdicts,
        learning_curve=evaluation.learning_curve,
        executor=executor,
    )


def _extraction(summary: ExtractionSummary) -> dict[str, dict[str, int]]:
    return {
        label: {"computed": computed, "reused": summary.reused[label]}
        for label, computed in summary.computed.items()
    }


def executor_used(component: ConfiguredComponent | None, executor: Executor | None) -> ExecutorUsed:
    """Return what a report says of the executor of a run; None stands for this process."""
    if component is None or executor is None:
        return ExecutorUsed(name=LOCAL, distribution="stackkit", version=__version__, workers=1)
    described = component.component
    return ExecutorUsed(
        name=component.name,
        distribution=described.distribution,
        version=described.version,
        workers=executor.n_workers,
    )


def _notes(
    preview: Preview,
    dataset: Dataset,
    summary: ExtractionSummary,
    evaluation: Evaluation,
    shared: SharedImages,
    verdicts: Verdicts,
) -> tuple[str, ...]:
    comparison, missing = evaluation.comparison, evaluation.usable.missing
    return (
        *notes(preview.protocol, comparison, evaluation.results, summary.failed, missing),
        *notes_on_selection(verdicts, evaluation.results),
        *notes_on_shared_images(preview.protocol, comparison, shared),
        *image_notes(summary.remarks),
        *evaluation.notes,
        *dataset.notes,
    )


def _shared_images(recipe: Recipe, dataset: Dataset, evaluation: Evaluation) -> SharedImages:
    """Look for groups and copies among the images that were used."""
    usable, comparison = evaluation.usable, evaluation.comparison
    samples, folds = [dataset.samples[int(row)] for row in usable.rows], comparison.folds
    groups = None
    if recipe.group_duplicates or has_groups(dataset):
        groups = summarise_groups(comparison.fit_plan.groups, samples, folds)
    duplicates = find_duplicates(dataset, samples, usable.fingerprints, folds)
    return SharedImages(groups=groups, duplicates=duplicates)
