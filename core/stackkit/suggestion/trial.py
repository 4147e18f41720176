"""Evaluate one recipe on a subset of a dataset: which images are predicted correctly, and the cost."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stackkit.api.dataset import Dataset, FailedImage
from stackkit.api.reporter import Reporter
from stackkit.evaluation.classifiers import check_classifiers
from stackkit.evaluation.comparison import FoldOutcome
from stackkit.evaluation.evaluability import check_evaluable, check_folds
from stackkit.evaluation.fit_cache import FitCache
from stackkit.evaluation.inputs import make_comparison, usable_features
from stackkit.evaluation.scheduler import FitScheduler
from stackkit.extraction.backbone import CheckedBackbone, make_backbone
from stackkit.extraction.estimate import Estimate
from stackkit.extraction.extract import estimate_extraction, extract
from stackkit.extraction.preparation import pending_sets
from stackkit.extraction.subset import Subset
from stackkit.extraction.weights import require_weights
from stackkit.host.registry import Registry
from stackkit.recipe import Recipe, ResolvedRecipe, resolve
from stackkit.statistics.intervals import Interval, tango, wilson
from stackkit.store import DatasetRows, FeatureStore

Correct = NDArray[np.int8]
"""For each image of a subset: 1 if it is predicted correctly, 0 if not, -1 if it is not predicted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What one candidate did on the sample, and what it takes on the whole dataset.

    Parameters
    ----------
    correct : ndarray of shape (n_images,), int8
        See `Correct`.
    seconds : float or None
        Predicted time in the networks for the whole dataset, whatever is stored: what one trial has
        stored must not make the next one look cheap. None if the speed could not be measured.
    images_per_s : float or None
        Speed of all its networks together; None if it could not be measured.
    failed : tuple of FailedImage
        Images of the sample that could not be read.

    """

    correct: Correct
    seconds: float | None
    images_per_s: float | None
    failed: tuple[FailedImage, ...] = ()

    @property
    def accuracy(self) -> float:
        """Share of correct predictions."""
        return float(np.mean(self.correct[self.correct >= 0]))

    @property
    def interval_95(self) -> Interval:
        """Wilson's 95 % interval of the accuracy."""
        return wilson(int(np.sum(self.correct == 1)), int(np.sum(self.correct >= 0)))

    def gain_interval_95(self, other: Trial) -> Interval:
        """Tango's 95 % interval for this accuracy minus that of another trial on the same images."""
        both = (self.correct >= 0) & (other.correct >= 0)
        mine, theirs = self.correct[both] == 1, other.correct[both] == 1
        return tango(int(np.sum(mine & ~theirs)), int(np.sum(~mine & theirs)), int(np.sum(both)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Workplace:
    """What all trials share.

    Parameters
    ----------
    registry : Registry
        Finds components.
    dataset : Dataset
        The whole dataset.
    rows : DatasetRows
        Its rows.
    store : FeatureStore
        Provides stored features and receives those of the sample.
    reporter : Reporter
        Shows progress.
    fits : Path or None
        Folder that caches finished fits; None caches nothing.

    """

    registry: Registry
    dataset: Dataset
    rows: DatasetRows
    store: FeatureStore
    reporter: Reporter
    fits: Path | None = None


def try_recipe(
    recipe: Recipe,
    subset: Subset,
    place: Workplace,
    *,
    begin: Callable[[float], None] = lambda seconds: None,
) -> Trial:
    """Estimate a recipe on the whole dataset, and evaluate it on a subset.

    Parameters
    ----------
    recipe : Recipe
        The recipe. Its first aggregator is its result; without aggregators it is its first learner on
        its first backbone.
    subset : Subset
        The images to extract and to evaluate.
    place : Workplace
        The dataset, components and stores.
    begin : callable
        Called before anything is extracted, with the predicted time in the networks, in seconds, for
        the images of the subset that are not stored. What it raises ends the trial.

    Raises
    ------
    StackkitError
        As `experiment.run` raises it.

    """
    components, rows = resolve(recipe, place.registry), subset.rows(place.rows)
    check_evaluable(recipe, components, subset)
    if recipe.group_duplicates:
        check_folds(recipe, subset, rows.fingerprints)
    backbones = tuple(map(make_backbone, components.backbones))
    require_weights(components.backbones, backbones, place.registry)
    whole = _estimate_from_nothing(backbones, place)
    speeds = {one.label: one.images_per_s for one in whole.backbones if one.images_per_s}
    begin(_seconds_for_subset(backbones, rows, place, speeds))
    summary = extract(subset, rows, backbones, place.store, place.reporter)
    known = whole.is_complete and bool(speeds)
    return Trial(
        correct=evaluate(recipe, components, backbones, subset, rows, place),
        seconds=whole.seconds if known else None,
        images_per_s=1 / sum(1 / speed for speed in speeds.values()) if known else None,
        failed=summary.failed,
    )


def _estimate_from_nothing(backbones: Sequence[CheckedBackbone], place: Workplace) -> Estimate:
    """Estimate the extraction of the whole dataset as if nothing were stored."""
    with tempfile.TemporaryDirectory() as empty:
        nothing = FeatureStore(Path(empty))
        return estimate_extraction(place.dataset, place.rows, backbones, nothing, place.reporter)


def _seconds_for_subset(
    backbones: Sequence[CheckedBackbone],
    rows: DatasetRows,
    place: Workplace,
    speeds: Mapping[str, float],
) -> float:
    """Return the time in the networks for rows that are not stored, at speeds by feature set."""
    _, pending, _ = pending_sets(rows, backbones, place.store)
    return sum(len(left) / speeds[label] for label, left in pending.items() if label in speeds)


def evaluate(
    recipe: Recipe,
    components: ResolvedRecipe,
    backbones: tuple[CheckedBackbone, ...],
    subset: Subset,
    rows: DatasetRows,
    place: Workplace,
) -> Correct:
    """Return which images of a subset a recipe predicts correctly by its own folds.

    All images count once, so the recipe must have `repeats=1`.
    """
    kind = "aggregator" if recipe.aggregators else "learner"
    recipe = replace(recipe, aggregators=recipe.aggregators[:1], baselines=())
    components = replace(components, aggregators=components.aggregators[:1], baselines=())
    usable = usable_features(subset, rows, backbones, place.store)
    correct = np.full(len(subset.samples), -1, dtype=np.int8)

    def on_fold(outcome: FoldOutcome) -> None:
        tested = usable.rows[outcome.fold.test]
        labels = [subset.samples[int(row)].label for row in tested]
        first = next(place for place, row in enumerate(outcome.rows) if row.kind == kind)
        correct[tested] = outcome.results[first].labels == labels

    scheduler = FitScheduler(cache=FitCache(place.fits), reporter=place.reporter, jobs=recipe.jobs)
    classifiers = check_classifiers(components)
    make_comparison(recipe, classifiers, subset, usable, scheduler, on_fold).run()
    return correct
