"""Baselines, base learners and aggregators side by side on the same folds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from stackkit.evaluation.fit import Fit, FitResult, ProbabilityFit
from stackkit.evaluation.fit_plan import Design, FoldPlan, Row
from stackkit.evaluation.folds import Fold
from stackkit.evaluation.metrics import Result, score
from stackkit.evaluation.probabilities import FoldProbabilities
from stackkit.evaluation.scheduler import TASK, Batch, FitScheduler


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldOutcome:
    """What was found in one fold: probabilities of the base learners, and every row's answers."""

    number: int
    fold: Fold
    rows: Sequence[Row]
    stacked: FoldProbabilities | None
    answers: Sequence[FitResult]


@dataclass(frozen=True, kw_only=True)
class Comparison(Design):
    """A design, carried out on folds by a scheduler.

    Each image is predicted `repeats` times, in as many rounds of folds. `tell` is handed each
    fold's outcome as soon as it is there.
    """

    folds: Sequence[Fold]
    scheduler: FitScheduler
    repeats: int = 1
    tell: Callable[[FoldOutcome], None] = lambda outcome: None

    @property
    def n_images(self) -> int:
        """Images that are learned from or predicted in some fold."""
        used = [rows for fold in self.folds for rows in (fold.train, fold.test)]
        return len(np.unique(np.concatenate(used)))

    def results(self) -> list[Result]:
        """Every row's figures; each distinct fit is carried out once, whatever the number of rows."""
        plans = [self.plan(number, fold) for number, fold in enumerate(self.folds)]
        stacks = len(self._stacks)
        self.scheduler.reporter.start(TASK, sum(len(plan.fits) + stacks for plan in plans))
        found: dict[int, list[FitResult]] = {}
        self.scheduler.carry_out(self._batch(plan, found) for plan in plans)
        outcomes = [found[plan.number] for plan in plans]
        return [
            self._result(row, answers)
            for row, answers in zip(self.rows, zip(*outcomes, strict=True), strict=True)
        ]

    @property
    def _stacks(self) -> list[Row]:
        return [row for row in self.rows if row.learns_from_probabilities]

    def _batch(self, plan: FoldPlan, found: dict[int, list[FitResult]]) -> Batch:
        """One fold: the fits that need no other, then the aggregators on what these answered.

        The answers in the order of the rows go to `found`; probabilities are let go.
        """

        def aggregate(answers: list[FitResult]) -> Batch:
            made = dict(zip(plan.fits, answers, strict=True))
            stacked = plan.stack(made) if self._stacks else None

            def finish(aggregated: list[FitResult]) -> None:
                in_order = [*plan.learned(made), *self._aggregated(plan, made, aggregated)]
                found[plan.number] = [one.without_probabilities() for one in in_order]
                self.tell(
                    FoldOutcome(
                        number=plan.number,
                        fold=plan.fold,
                        rows=self.rows,
                        stacked=stacked,
                        answers=in_order,
                    )
                )

            return Batch(fits=self._aggregators(plan, stacked), then=finish)

        return Batch(fits=plan.fits, then=aggregate)

    def _aggregators(self, plan: FoldPlan, stacked: FoldProbabilities | None) -> list[ProbabilityFit]:
        if stacked is None:
            return []
        labels = self.labels[plan.fold.train]
        return [
            ProbabilityFit(
                choice=row.choice, stacked=stacked, labels=labels, origin=plan.learned_from(row.fit_on)
            )
            for row in self._stacks
        ]

    def _aggregated(
        self, plan: FoldPlan, made: Mapping[Fit, FitResult], stacks: Sequence[FitResult]
    ) -> Iterator[FitResult]:
        """The aggregators' answers in the order of their rows, whatever they learn from."""
        others = iter(stacks)
        for row in self.rows:
            if row.kind == "aggregator":
                fit = plan.feature_fits.get(row.choice.text)
                yield made[fit] if fit else next(others)

    def _result(self, row: Row, answers: Sequence[FitResult]) -> Result:
        return score(
            row.choice.text,
            row.kind,
            [features.label for features in row.on],
            [
                (one.labels, self.labels[fold.test])
                for one, fold in zip(answers, self.folds, strict=True)
            ],
            untrained=not all(features.trained for features in row.on),
            converged=all(one.converged for one in answers),
            fit_on=row.fit_on,
            repeats=self.repeats,
        )
