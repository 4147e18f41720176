"""Fit and score the classifiers of a recipe on the features of its images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stackkit.api.dataset import Dataset, FailedImage
from stackkit.api.errors import EvaluationError
from stackkit.api.executor import Executor
from stackkit.api.reporter import Reporter
from stackkit.evaluation.classifiers import CheckedClassifiers
from stackkit.evaluation.comparison import Comparison, FoldOutcome
from stackkit.evaluation.costs import FitSeconds
from stackkit.evaluation.fit_cache import FitCache
from stackkit.evaluation.inputs import UsableFeatures, make_comparison
from stackkit.evaluation.ladder import completed, references
from stackkit.evaluation.learning_curve import LearningCurve, learning_curve
from stackkit.evaluation.metrics import Result
from stackkit.evaluation.outcome_collector import OutcomeCollector
from stackkit.evaluation.outcomes import Outcomes
from stackkit.evaluation.scheduler import FitScheduler
from stackkit.model.fitting import FinalFit, StackFitting
from stackkit.recipe import Recipe
from stackkit.report.predictions import Predictions
from stackkit.report.probability_file import ProbabilityFile, probability_file
from stackkit.statistics.calibration import Calibration, fit_calibration
from stackkit.utils.interrupts import ctrl_c_waits

STOPPING_FITS = "finishing the fits in progress, which are kept; press Ctrl-C again to stop at once"
"""Message after a first Ctrl-C during the evaluation."""


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Where an evaluation puts what it makes besides the report.

    Attributes
    ----------
    fits : Path or None
        Folder that caches finished fits; None caches nothing.
    folder : Path or None
        Folder for probabilities.h5; None writes no such file.

    """

    fits: Path | None = None
    folder: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What was evaluated on which features, and what came out.

    Attributes
    ----------
    usable : UsableFeatures
        The features.
    comparison : Comparison
        What was run on them.
    results, references : sequence of Result
        The rows of the table, and what they are measured against.
    outcomes : Outcomes
        What was predicted.
    fit_seconds : sequence of float or None
        Time of the fits of each row, then of each reference.
    predictions : Predictions
        The same as a table for people.
    learning_curve : LearningCurve or None
        How accuracy grows with the training images, if it was asked for.
    notes : tuple of str
        What a reader must know about the outcomes.
    final : FinalFit or None
        A stack, if one was asked for.

    """

    usable: UsableFeatures
    comparison: Comparison
    results: Sequence[Result]
    references: Sequence[Result]
    outcomes: Outcomes
    fit_seconds: Sequence[float | None]
    predictions: Predictions
    learning_curve: LearningCurve | None = None
    notes: tuple[str, ...] = ()
    final: FinalFit | None = None


def evaluate(
    recipe: Recipe,
    classifiers: CheckedClassifiers,
    dataset: Dataset,
    usable: UsableFeatures,
    reporter: Reporter,
    outputs: Outputs,
    fitting: StackFitting | None = None,
    executor: Executor | None = None,
) -> Evaluation:
    """Run all fits that are not cached; a first Ctrl-C waits for those in progress.

    With `fitting`, a stack is fitted besides. Fits run on the workers of `executor`; None: here.
    """
    predictions = Predictions()
    with (
        fit_scheduler(recipe, reporter, outputs.fits, executor) as scheduler,
        probability_file(outputs.folder, reporter.message) as probabilities,
    ):

        def on_fold(outcome: FoldOutcome) -> None:
            predictions.add(outcome)
            collector.add(outcome)
            seconds.add(outcome)
            if probabilities:
                probabilities.add(outcome)

        comparison = make_comparison(recipe, classifiers, dataset, usable, scheduler, on_fold)
        collector, seconds = OutcomeCollector(comparison), FitSeconds()
        if fitting:
            comparison = fitting.prepared(comparison)
        ids = [dataset.samples[int(row)].id for row in usable.rows]
        _begin(predictions, probabilities, comparison, ids, dataset.classes)
        results = comparison.run()
        final = fitting.finish(comparison) if fitting else None
        calibrations = _calibrations(recipe, comparison, final)
        outcomes = collector.outcomes(ids, usable.fingerprints, dataset.classes, calibrations)
        results = completed(results, outcomes)
        return Evaluation(
            usable=usable,
            comparison=comparison,
            results=results,
            references=references(comparison, outcomes, results),
            outcomes=outcomes,
            fit_seconds=seconds.seconds,
            predictions=predictions,
            learning_curve=learning_curve(comparison, results) if recipe.learning_curve else None,
            notes=collector.notes,
            final=final,
        )


@contextmanager
def fit_scheduler(
    recipe: Recipe, reporter: Reporter, fits: Path | None, executor: Executor | None = None
) -> Iterator[FitScheduler]:
    """Yield what runs the fits of a recipe; a first Ctrl-C waits for those in progress.

    `fits` is the folder that caches finished fits; None caches nothing. The fits run on the workers of
    `executor`; None for this process.
    """
    with ctrl_c_waits(reporter.message, STOPPING_FITS) as stop_if_asked:
        yield FitScheduler(
            cache=FitCache(fits),
            reporter=reporter,
            stop_if_asked=stop_if_asked,
            jobs=recipe.jobs,
            executor=executor,
        )


def _begin(
    predictions: Predictions,
    probabilities: ProbabilityFile | None,
    comparison: Comparison,
    ids: Sequence[str],
    classes: Sequence[str],
) -> None:
    """Tell the files what all folds share."""
    plan, folds = comparison.fit_plan, len(comparison.folds) // comparison.repeats
    predictions.begin(ids, plan.labels, classes, folds)
    if probabilities:
        backbones = [features.label for features in plan.features]
        learners = [learner.label for learner in plan.classifiers.learners]
        probabilities.begin(ids, plan.labels, classes, backbones, learners)


def _calibrations(
    recipe: Recipe, comparison: Comparison, final: FinalFit | None
) -> dict[int, Calibration]:
    """Return the temperature of the row that a model is made of, by the number of the row."""
    # Other protocols calibrate on other folds, and a model of them knows the test images.
    if final is None or not recipe.official:
        return {}
    able = final.out_of_fold.of_known_classes()
    found = fit_calibration(able.scores, able.labels)
    return {
        number: found
        for number, row in enumerate(comparison.fit_plan.rows)
        if row.kind == "aggregator" and row.classifier.text == comparison.fit_plan.chosen
    }


@contextmanager
def failed_images_mentioned(failed: Sequence[FailedImage]) -> Iterator[None]:
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
