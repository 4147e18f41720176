"""Audit a dataset: features, out-of-fold probabilities of its images, and what looks wrong in them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stackkit import __version__
from stackkit.api.dataset import Dataset, FailedImage
from stackkit.api.errors import EvaluationError, UsageError
from stackkit.api.executor import Executor
from stackkit.api.reporter import Reporter
from stackkit.audit.examine import examine
from stackkit.audit.findings import Audit
from stackkit.audit.report import AuditReport
from stackkit.audit.subject import Subject
from stackkit.evaluation.classifiers import CheckedClassifiers, gives_probabilities
from stackkit.evaluation.comparison import FoldOutcome
from stackkit.evaluation.evaluability import check_evaluable, check_folds
from stackkit.evaluation.inputs import UsableFeatures, make_comparison, usable_features
from stackkit.evaluation.protocol import protocol_of
from stackkit.evidence.thumbnails import make_thumbnails
from stackkit.execution.opening import opened
from stackkit.experiment.evaluation import failed_images_mentioned, fit_scheduler
from stackkit.experiment.features import computed_features
from stackkit.extraction.dataset import open_dataset
from stackkit.extraction.estimate import Estimate
from stackkit.extraction.weights import require_weights
from stackkit.host.figures import FigureWatch
from stackkit.host.registry import Registry
from stackkit.preview import Preview, make_preview
from stackkit.recipe import Recipe, ResolvedRecipe, command, resolve
from stackkit.store import FeatureStore


@dataclass(frozen=True, kw_only=True)
class Audited:
    """A finished audit, and the images that were examined.

    Parameters
    ----------
    report : AuditReport
        What was found.
    subject : Subject
        The images.

    """

    report: AuditReport
    subject: Subject

    def thumbnails(self, names: Collection[str]) -> Mapping[str, bytes]:
        """Return JPEG files of images by their ids; those that cannot be read any more are left out."""
        subject = self.subject
        ids = [subject.sample(place).id for place in range(len(subject.rows))]
        fingerprints = dict(zip(ids, subject.fingerprints, strict=True))
        return make_thumbnails(subject.dataset, names, (), fingerprints).large


def audited(recipe: Recipe) -> Recipe:
    """Return the recipe of an audit: the learners of a recipe under shuffled cross-validation.

    Each image is judged by learners that were fitted on other images. Unshuffled folds could be fitted
    without a part of the images that differs, such as those of one photographer.
    """
    folds = recipe.in_shuffled_folds(recipe.cv)
    return replace(folds, aggregators=("soft-vote",), baselines=())


def audit(
    recipe: Recipe,
    registry: Registry,
    store: FeatureStore,
    reporter: Reporter,
    *,
    begin: Callable[[Preview], None] = lambda preview: None,
    expect: Callable[[Estimate], None] = lambda estimate: None,
    fits: Path | None = None,
) -> Audited:
    """Extract the features that are not in the store yet, and look for what deserves a second look.

    Parameters
    ----------
    recipe : Recipe
        The dataset, the backbones and the learners; see `audited` for the rest.
    registry, store, reporter, begin, expect
        As for `experiment.run.run`.
    fits : Path or None
        Folder that caches finished fits; None caches nothing.

    """
    used = audited(recipe)
    components = resolve(used, registry)
    _require_probabilities(components)
    effects = FigureWatch(registry.host, components.all)
    dataset = open_dataset(components.dataset)
    classifiers = check_evaluable(used, components, dataset)
    preview = make_preview(used, components, dataset, store)
    begin(preview)
    require_weights(components.backbones, preview.backbones, registry)
    with opened(components.executor) as executor:
        work = (used, preview, dataset, store, reporter, expect, executor)
        rows, summary = computed_features(*work)
        usable = usable_features(dataset, rows, preview.backbones, store)
        used = _with_copies_together(used, dataset, rows.fingerprints)
        with failed_images_mentioned(summary.failed):
            kept = None if effects.during_run() else fits
            fitted = (used, classifiers, dataset, usable, reporter, kept, executor)
            probabilities = _probabilities(*fitted)
    subject = _subject(dataset, usable)
    found = examine(
        subject,
        probabilities,
        reporter,
        folder=store.folder,
        input_size=max(each.image_size for each in preview.backbones),
    )
    report = _report(recipe, used, preview, dataset, usable, summary.failed, found)
    return Audited(report=report, subject=subject)


def _require_probabilities(components: ResolvedRecipe) -> None:
    silent = [each.name for each in components.learners if not gives_probabilities(each)]
    if silent:
        raise UsageError(
            f"an audit needs probabilities, which learner {silent[0]} does not provide; use a learner "
            "that does, such as logistic"
        )


def _with_copies_together(recipe: Recipe, dataset: Dataset, fingerprints: Sequence[str]) -> Recipe:
    """Keep copies of one file in one fold if that is possible: a copy would confirm a wrong label."""
    together = replace(recipe, group_duplicates=True)
    try:
        check_folds(together, dataset, fingerprints)
    except EvaluationError:  # a class has too few different images
        return recipe
    return together


def _probabilities(
    recipe: Recipe,
    classifiers: CheckedClassifiers,
    dataset: Dataset,
    usable: UsableFeatures,
    reporter: Reporter,
    fits: Path | None,
    executor: Executor | None,
) -> NDArray[np.float32]:
    """Return what learners say about each image when it was left out, their mean, (n, n_classes)."""
    found = np.full((len(usable.rows), len(dataset.classes)), np.nan, dtype=np.float32)

    def on_fold(outcome: FoldOutcome) -> None:
        assert outcome.probabilities is not None, "soft-vote needs them"
        found[outcome.fold.test] = outcome.probabilities.test.mean(axis=0)

    with fit_scheduler(recipe, reporter, fits, executor) as scheduler:
        make_comparison(recipe, classifiers, dataset, usable, scheduler, on_fold).run_fits()
    return found


def _subject(dataset: Dataset, usable: UsableFeatures) -> Subject:
    return Subject(
        dataset=dataset,
        rows=usable.rows,
        labels=np.array([dataset.samples[int(row)].label for row in usable.rows], np.int64),
        classes=dataset.classes,
        features=usable.features,
        fingerprints=usable.fingerprints,
    )


def _report(
    given: Recipe,
    used: Recipe,
    preview: Preview,
    dataset: Dataset,
    usable: UsableFeatures,
    failed: tuple[FailedImage, ...],
    found: Audit,
) -> AuditReport:
    components = preview.components
    return AuditReport(
        stackkit=__version__,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command(given).replace("stackkit run", "stackkit audit", 1),
        dataset=components.dataset.label,
        classes=tuple(dataset.classes),
        protocol=protocol_of(used, dataset).title,
        backbones=tuple(each.label for each in usable.features),
        learners=tuple(each.label for each in components.learners),
        untrained=tuple(each.label for each in usable.features if not each.trained),
        failed_images=failed,
        audit=found,
    )


def shown_images(found: Audit, per_kind: int) -> set[str]:
    """Return the ids of the images that a page shows: the first findings of each kind."""
    by_kind = [found.of_kind(kind)[:per_kind] for kind in found.counts]
    return {name for each in chain.from_iterable(by_kind) for name in (each.id, each.other) if name}
