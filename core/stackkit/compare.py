"""Baselines, base learners and aggregators side by side on the same folds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from stackkit.choice import Choice
from stackkit.evaluate import Result, ResultKind, score
from stackkit.fitting import (
    Answers,
    Batch,
    Crew,
    Features,
    Fit,
    LearnerFit,
    ProbabilityFit,
    SideBySideFit,
)
from stackkit.fitting.parallel import TASK
from stackkit.folds import Fold, inner_folds
from stackkit.recipe import Ingredients
from stackkit.stacking import FoldProbabilities, Probabilities, out_of_fold
from stackkit.types import FitOn


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of the table to be: a classifier on the features of some backbones.

    `fit_on` says what an aggregator learns from, and is None for a learner.
    """

    choice: Choice
    kind: ResultKind
    on: Sequence[Features]
    fit_on: FitOn | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldPlan:
    """The distinct fits of one fold: what any row needs is fitted once, for all of them.

    `baselines[b][i]` and `learners[i]` are of backbone i, `inner[i][k]` of inner fold k within
    it, `side_by_side` of aggregators on features by their text.
    """

    number: int
    fold: Fold
    inner_folds: Sequence[Fold]
    baselines: Sequence[Sequence[LearnerFit]]
    learners: Sequence[LearnerFit]
    inner: Sequence[Sequence[LearnerFit]]
    side_by_side: Mapping[str, SideBySideFit]

    @property
    def fits(self) -> list[Fit]:
        """Everything that needs no other fit, each once."""
        every: Iterator[Fit] = chain(
            *self.baselines, self.side_by_side.values(), self.learners, *self.inner
        )
        return list({id(fit): fit for fit in every}.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldOutcome:
    """What was found in one fold: probabilities of the base learners, and every row's answers."""

    number: int
    fold: Fold
    rows: Sequence[Row]
    stacked: FoldProbabilities | None
    answers: Sequence[Answers]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """What is compared: every classifier on the same features, labels (n,) and folds.

    Each image is predicted `repeats` times, in as many rounds of folds. `inner_cv` inner folds
    make out-of-fold probabilities. With `refit`, learners fitted on a whole training fold predict
    its test rows for aggregators that learned from out-of-fold probabilities, as in scikit-learn's
    `StackingClassifier`; without it, the mean of the inner folds' learners does. `tell` is handed
    each fold's outcome as soon as it is there.
    """

    ingredients: Ingredients
    features: Sequence[Features]
    labels: NDArray[np.int64]
    n_classes: int
    folds: Sequence[Fold]
    inner_cv: int
    seed: int
    crew: Crew
    repeats: int = 1
    refit: bool = True
    tell: Callable[[FoldOutcome], None] = lambda outcome: None

    @property
    def n_images(self) -> int:
        """Images that are learned from or predicted in some fold."""
        used = [rows for fold in self.folds for rows in (fold.train, fold.test)]
        return len(np.unique(np.concatenate(used)))

    @cached_property
    def rows(self) -> list[Row]:
        """The rows of the table, in its order."""
        chosen = self.ingredients
        single: list[tuple[Choice, ResultKind]] = [(choice, "baseline") for choice in chosen.baselines]
        single.append((chosen.learner, "learner"))
        rows = [
            Row(choice=choice, kind=kind, on=[features])
            for choice, kind in single
            for features in self.features
        ]
        for choice in chosen.aggregators:
            with choice.blamed():
                fit_on = choice.create().fit_on
            rows.append(Row(choice=choice, kind="aggregator", on=self.features, fit_on=fit_on))
        return rows

    def results(self) -> list[Result]:
        """Every row's figures; each distinct fit is carried out once, whatever the number of rows."""
        plans = [self._plan(number, fold) for number, fold in enumerate(self.folds)]
        stacks = sum(self._stacked(row) for row in self.rows)
        self.crew.reporter.start(TASK, sum(len(plan.fits) + stacks for plan in plans))
        found: dict[int, list[Answers]] = {}
        self.crew.carry_out(self._batch(plan, found) for plan in plans)
        outcomes = [found[plan.number] for plan in plans]
        return [
            self._result(row, answers)
            for row, answers in zip(self.rows, zip(*outcomes, strict=True), strict=True)
        ]

    def _plan(self, number: int, fold: Fold) -> FoldPlan:
        """Only what some row needs: no inner folds if nothing learns from out-of-fold probabilities."""
        chosen, wanted = self.ingredients, {row.fit_on for row in self.rows}
        learners = [
            self._fit(
                chosen.learner,
                features,
                fold.train,
                fold.test,
                probabilities=bool(wanted & {"in-sample", "out-of-fold"}),
                in_sample=bool(wanted & {"in-sample", "out-of-fold"}),
            )
            for features in self.features
        ]
        inside = self._inner_folds(fold) if "out-of-fold" in wanted else []
        return FoldPlan(
            number=number,
            fold=fold,
            inner_folds=inside,
            baselines=[
                learners
                if choice.text == chosen.learner.text
                else [self._fit(choice, features, fold.train, fold.test) for features in self.features]
                for choice in chosen.baselines
            ],
            learners=learners,
            inner=[
                [self._inner_fit(features, fold, part) for part in inside] for features in self.features
            ],
            side_by_side={
                row.choice.text: self._side_by_side(row.choice, fold)
                for row in self.rows
                if row.fit_on == "features"
            },
        )

    def _inner_folds(self, fold: Fold) -> list[Fold]:
        return inner_folds(self.labels[fold.train], self.inner_cv, seed=self.seed)

    def _fit(
        self,
        choice: Choice,
        features: Features,
        train: NDArray[np.int64],
        test: NDArray[np.int64],
        *,
        probabilities: bool = False,
        in_sample: bool = False,
    ) -> LearnerFit:
        return LearnerFit(
            choice=choice,
            features=features,
            labels=self.labels,
            n_classes=self.n_classes,
            train=train,
            test=test,
            probabilities=probabilities,
            in_sample=in_sample,
        )

    def _inner_fit(self, features: Features, fold: Fold, part: Fold) -> LearnerFit:
        """On the rest of an inner fold, asked about its rows and, without refit, the test rows."""
        asked = fold.train[part.test]
        return self._fit(
            self.ingredients.learner,
            features,
            fold.train[part.train],
            asked if self.refit else np.concatenate([asked, fold.test]),
            probabilities=True,
        )

    def _side_by_side(self, choice: Choice, fold: Fold) -> SideBySideFit:
        return SideBySideFit(
            choice=choice,
            learner=self.ingredients.learner,
            features=self.features,
            labels=self.labels,
            n_classes=self.n_classes,
            train=fold.train,
            test=fold.test,
        )

    @staticmethod
    def _stacked(row: Row) -> bool:
        return row.kind == "aggregator" and row.fit_on != "features"

    def _batch(self, plan: FoldPlan, found: dict[int, list[Answers]]) -> Batch:
        """One fold: the fits that need no other, then the aggregators on what these answered.

        The answers in the order of the rows go to `found`; probabilities are let go.
        """
        fits = plan.fits
        choices = [row.choice for row in self.rows if self._stacked(row)]

        def aggregate(answers: list[Answers]) -> Batch:
            made = {id(fit): one for fit, one in zip(fits, answers, strict=True)}
            stacked = self._stack(plan, made) if choices else None

            def finish(aggregated: list[Answers]) -> None:
                in_order = self._in_order(plan, made, aggregated)
                self.tell(
                    FoldOutcome(
                        number=plan.number,
                        fold=plan.fold,
                        rows=self.rows,
                        stacked=stacked,
                        answers=in_order,
                    )
                )
                found[plan.number] = in_order

            return Batch(fits=self._aggregators(choices, plan, stacked), then=finish)

        return Batch(fits=fits, then=aggregate)

    def _in_order(
        self, plan: FoldPlan, made: Mapping[int, Answers], aggregated: Sequence[Answers]
    ) -> list[Answers]:
        """Labels and convergence, in the order of the rows."""
        answers = [*(made[id(fit)] for fit in chain(*plan.baselines)), *self._learned(plan, made)]
        stacks = iter(aggregated)
        for row in self.rows:
            if row.kind == "aggregator":
                beside = plan.side_by_side.get(row.choice.text)
                answers.append(made[id(beside)] if beside else next(stacks))
        return [Answers(labels=one.labels, converged=one.converged) for one in answers]

    def _learned(self, plan: FoldPlan, made: Mapping[int, Answers]) -> Iterator[Answers]:
        """A learner's answers; it converged if its fits on the inner folds did too."""
        for i, fit in enumerate(plan.learners):
            answers = made[id(fit)]
            inner = plan.inner[i]
            yield Answers(
                labels=answers.labels,
                converged=answers.converged and all(made[id(one)].converged for one in inner),
            )

    def _aggregators(
        self, choices: Sequence[Choice], plan: FoldPlan, stacked: FoldProbabilities | None
    ) -> list[ProbabilityFit]:
        origin = [*plan.learners, *chain(*plan.inner)]
        labels = self.labels[plan.fold.train]
        return [
            ProbabilityFit(choice=choice, stacked=stacked, labels=labels, origin=origin)
            for choice in choices
            if stacked is not None
        ]

    def _stack(self, plan: FoldPlan, made: Mapping[int, Answers]) -> FoldProbabilities:
        """The learners' probabilities on top of each other."""
        full = [made[id(fit)] for fit in plan.learners]
        held_out, averaged = [], []
        for fits in plan.inner if plan.inner_folds else ():
            parts = [
                np.split(_probabilities(made[id(fit)]), [len(part.test)])
                for fit, part in zip(fits, plan.inner_folds, strict=True)
            ]
            held_out.append(out_of_fold([known for known, _ in parts], plan.inner_folds))
            if not self.refit:
                averaged.append(np.mean([new for _, new in parts], axis=0))
        return FoldProbabilities(
            in_sample=np.stack([answers.in_sample for answers in full if answers.in_sample is not None]),
            out_of_fold=np.stack(held_out) if held_out else None,
            test=np.stack([_probabilities(answers) for answers in full]),
            test_averaged=np.stack(averaged) if averaged else None,
        )

    def _result(self, row: Row, answers: Sequence[Answers]) -> Result:
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


def _probabilities(answers: Answers) -> Probabilities:
    assert answers.probabilities is not None, "asked for by the plan"
    return answers.probabilities
