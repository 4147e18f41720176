"""Run a fit plan: baselines, learners and aggregators side by side on the same folds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from stackkit.evaluation.fit import Fit, FitResult
from stackkit.evaluation.fit_plan import FitPlan
from stackkit.evaluation.fold_fits import FoldFits
from stackkit.evaluation.folds import Fold
from stackkit.evaluation.metrics import Result, score, with_gain_intervals
from stackkit.evaluation.probabilities import FoldProbabilities
from stackkit.evaluation.scheduler import Batch, FitScheduler
from stackkit.evaluation.table_row import TableRow


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldOutcome:
    """Everything that was computed in one fold.

    Parameters
    ----------
    number : int
        The fold's number, from 0.
    fold : Fold
        Its training and test rows.
    rows : sequence of TableRow
        The rows of the table.
    results : sequence of FitResult
        One entry per row of the table.
    probabilities : FoldProbabilities or None
        What aggregators were fitted on; None if no aggregator uses probabilities.
    planned : FoldFits
        The fits that do not depend on others.
    by_fit : mapping of Fit to FitResult
        The results of these and of the aggregators on probabilities.

    """

    number: int
    fold: Fold
    rows: Sequence[TableRow]
    results: Sequence[FitResult]
    probabilities: FoldProbabilities | None
    planned: FoldFits
    by_fit: Mapping[Fit, FitResult]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A fit plan, the folds to run it on, and a scheduler to run it.

    Parameters
    ----------
    fit_plan : FitPlan
        What is fitted on which rows.
    folds : sequence of Fold
        The folds, repeat by repeat.
    scheduler : FitScheduler
        Runs the fits.
    repeats : int
        How often the images are divided; in a hold-out, how often test images are drawn.
    on_fold : callable
        Called with the `FoldOutcome` of each fold as soon as it is complete.

    """

    fit_plan: FitPlan
    folds: Sequence[Fold]
    scheduler: FitScheduler
    repeats: int = 1
    on_fold: Callable[[FoldOutcome], None] = lambda outcome: None

    @property
    def n_images(self) -> int:
        """Number of images that are trained on or predicted in some fold."""
        used = [rows for fold in self.folds for rows in (fold.train, fold.test)]
        return len(np.unique(np.concatenate(used)))

    @property
    def class_sizes(self) -> NDArray[np.int64]:
        """Number of test images of each class, (n_classes,) int64; each image counts once."""
        tested = self.fit_plan.labels[np.unique(self.tested)]
        return np.bincount(tested, minlength=self.fit_plan.n_classes).astype(np.int64)

    @property
    def tested(self) -> NDArray[np.int64]:
        """Row of each prediction, (n_predictions,) int64, fold by fold."""
        return np.concatenate([fold.test for fold in self.folds])

    @property
    def tested_groups(self) -> NDArray[np.int64] | None:
        """Group of each of these rows; None if no two belong together."""
        groups = self.fit_plan.groups
        return None if groups is None else groups[self.tested]

    @cached_property
    def fold_fits(self) -> Sequence[FoldFits]:
        """The planned fits of each fold."""
        return [self.fit_plan.fold_fits(number, fold) for number, fold in enumerate(self.folds)]

    def run(self) -> list[Result]:
        """Run every distinct fit once and return the result of each row of the table."""
        by_row = list(zip(*self.run_fits(), strict=True))
        return with_gain_intervals(
            [self._score(row, of_row) for row, of_row in zip(self.fit_plan.rows, by_row, strict=True)],
            [
                np.concatenate([predicted == true for predicted, true in self._with_truth(of_row)])
                for of_row in by_row
            ],
            self.tested,
            self.tested_groups,
        )

    def run_fits(self) -> list[list[FitResult]]:
        """Run every distinct fit once; return each fold's results, one for each row of the table."""
        plan, fold_fits = self.fit_plan, self.fold_fits
        n_stacked = sum(a.fit_on != "features" for a in plan.classifiers.aggregators)
        n_fits = sum(len(fits.all) + n_stacked for fits in fold_fits)
        self.scheduler.reporter.start(self.scheduler.task, n_fits)
        results: dict[int, list[FitResult]] = {}
        # A generator, so that batches are created only as the scheduler opens them.
        self.scheduler.run(self._batch(fits, results) for fits in fold_fits)
        return [results[fits.number] for fits in fold_fits]

    def _batch(self, fits: FoldFits, results: dict[int, list[FitResult]]) -> Batch:
        """Plan a fold in two steps: fits on features, then the aggregators on their probabilities."""
        plan = self.fit_plan

        def aggregate(first: list[FitResult]) -> Batch:
            known: dict[Fit, FitResult] = dict(zip(fits.all, first, strict=True))
            probabilities = fits.probabilities(known) if plan.needs_probabilities else None

            def finish(second: list[FitResult]) -> None:
                in_order = [*fits.single_results(known), *self._aggregated(fits, known, second)]
                # Only labels are kept until the end of the run: the probabilities of all folds and
                # inner folds together may not fit into memory.
                results[fits.number] = [result.without_probabilities() for result in in_order]
                self.on_fold(
                    FoldOutcome(
                        number=fits.number,
                        fold=fits.fold,
                        rows=plan.rows,
                        results=in_order,
                        probabilities=probabilities,
                        planned=fits,
                        by_fit=known | dict(zip(stacked, second, strict=True)),
                    )
                )

            stacked: list[Fit] = list(
                plan.probability_fits(fits, probabilities) if probabilities else ()
            )
            return Batch(fits=stacked, then=finish, where=where)

        where = f"fold {fits.number + 1}"
        return Batch(fits=fits.all, then=aggregate, where=where)

    def _aggregated(
        self, fits: FoldFits, known: Mapping[Fit, FitResult], stacked: Sequence[FitResult]
    ) -> Iterator[FitResult]:
        """Yield the aggregators' results in the table's order, on features or on probabilities."""
        remaining = iter(stacked)
        for row in self.fit_plan.rows:
            if row.fit_on == "features":
                yield known[fits.feature_fits[row.classifier.text, row.learners[0].text]]
            elif row.kind == "aggregator":
                yield next(remaining)

    def _with_truth(
        self, results: Sequence[FitResult]
    ) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Return the predicted and the true labels of each fold."""
        labels = self.fit_plan.labels
        return [
            (result.labels, labels[fold.test]) for result, fold in zip(results, self.folds, strict=True)
        ]

    def _score(self, row: TableRow, results: Sequence[FitResult]) -> Result:
        # Nothing is made of the probabilities of other rows.
        stacked = row.kind == "learner" and self.fit_plan.needs_probabilities
        return score(
            row.name,
            row.kind,
            [features.label for features in row.features],
            self._with_truth(results),
            untrained=not all(features.trained for features in row.features),
            converged=all(result.converged for result in results),
            disagreements=sum(result.disagreements for result in results) if stacked else 0,
            fit_on=row.fit_on,
            learners=[learner.label for learner in row.learners],
            views=[result.views for result in results if result.views],
            images=self.tested,
            groups=self.tested_groups,
        )
