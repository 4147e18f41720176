"""What is fitted on which rows: the rows of the table to be, and each fold's distinct fits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from stackkit.api.types import FitOn
from stackkit.evaluation.features import Features
from stackkit.evaluation.fit import FeatureFit, Fit, FitResult, LearnerFit
from stackkit.evaluation.folds import Fold, inner_folds
from stackkit.evaluation.metrics import ResultKind
from stackkit.evaluation.probabilities import FoldProbabilities, Probabilities, out_of_fold
from stackkit.host.component import ConfiguredComponent
from stackkit.recipe import ResolvedRecipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of the table to be: a classifier on the features of some backbones.

    `fit_on` says what an aggregator learns from, and is None for a learner.
    """

    choice: ConfiguredComponent
    kind: ResultKind
    on: Sequence[Features]
    fit_on: FitOn | None = None

    @property
    def learns_from_probabilities(self) -> bool:
        """Whether base learners have to be fitted first."""
        return self.fit_on in {"in-sample", "out-of-fold"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldPlan:
    """The distinct fits of one fold: what any row needs is fitted once, for all of them.

    `baselines[b][i]` and `learners[i]` are of backbone i, `inner[i][k]` of inner fold k within
    it, `feature_fits` of aggregators on features by their text.
    """

    number: int
    fold: Fold
    inner_folds: Sequence[Fold]
    averages: bool
    baselines: Sequence[Sequence[LearnerFit]]
    learners: Sequence[LearnerFit]
    inner: Sequence[Sequence[LearnerFit]]
    feature_fits: Mapping[str, FeatureFit]

    @property
    def fits(self) -> list[Fit]:
        """Everything that needs no other fit, each once."""
        every: Iterator[Fit] = chain(
            *self.baselines, self.feature_fits.values(), self.learners, *self.inner
        )
        return list(dict.fromkeys(every))

    def learned_from(self, fit_on: FitOn | None) -> list[LearnerFit]:
        """The fits whose probabilities an aggregator gets: others do not change its answers."""
        return [*self.learners, *(chain(*self.inner) if fit_on == "out-of-fold" else ())]

    def learned(self, made: Mapping[Fit, FitResult]) -> Iterator[FitResult]:
        """FitResult of baselines, then learners; one of these converged if its inner fits did too."""
        yield from (made[fit] for fit in chain(*self.baselines))
        for fit, inner in zip(self.learners, self.inner, strict=True):
            answers = made[fit]
            yield replace(
                answers, converged=answers.converged and all(made[one].converged for one in inner)
            )

    def stack(self, made: Mapping[Fit, FitResult]) -> FoldProbabilities:
        """The learners' probabilities on top of each other."""
        full = [made[fit] for fit in self.learners]
        held_out, averaged = [], []
        for fits in self.inner if self.inner_folds else ():
            parts = [
                np.split(_probabilities(made[fit]), [len(part.test)])
                for fit, part in zip(fits, self.inner_folds, strict=True)
            ]
            held_out.append(out_of_fold([known for known, _ in parts], self.inner_folds))
            if self.averages:
                averaged.append(np.mean([new for _, new in parts], axis=0))
        return FoldProbabilities(
            in_sample=np.stack([answers.in_sample for answers in full if answers.in_sample is not None]),
            out_of_fold=np.stack(held_out) if held_out else None,
            test=np.stack([_probabilities(answers) for answers in full]),
            test_averaged=np.stack(averaged) if averaged else None,
        )


@dataclass(frozen=True, kw_only=True)
class Design:
    """Every classifier on the same features, labels (n,) and inner folds.

    `inner_cv` inner folds make out-of-fold probabilities. With `refit`, learners fitted on a whole
    training fold predict its test rows for aggregators that learned from out-of-fold probabilities,
    as in scikit-learn's `StackingClassifier`; without it, the mean of the inner folds' learners does.
    """

    components: ResolvedRecipe
    features: Sequence[Features]
    labels: NDArray[np.int64]
    n_classes: int
    inner_cv: int
    seed: int
    refit: bool = True

    @cached_property
    def rows(self) -> list[Row]:
        """The rows of the table, in its order."""
        chosen = self.components
        single: list[tuple[ConfiguredComponent, ResultKind]] = [
            (choice, "baseline") for choice in chosen.baselines
        ]
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

    def plan(self, number: int, fold: Fold) -> FoldPlan:
        """Only what some row needs: no inner folds if nothing learns from out-of-fold probabilities."""
        learns_out_of_fold = any(row.fit_on == "out-of-fold" for row in self.rows)
        inside = self._inner_folds(fold) if learns_out_of_fold else []
        learners = self._learners(fold)
        return FoldPlan(
            number=number,
            fold=fold,
            inner_folds=inside,
            averages=not self.refit,
            baselines=[self._baseline(c, fold, learners) for c in self.components.baselines],
            learners=learners,
            inner=[
                [self._inner_fit(features, fold, part) for part in inside] for features in self.features
            ],
            feature_fits={
                row.choice.text: self._feature_fit(row.choice, fold)
                for row in self.rows
                if row.fit_on == "features"
            },
        )

    def _learners(self, fold: Fold) -> list[LearnerFit]:
        """On the whole training fold; asked for probabilities if some row learns from them."""
        choice, asked = self.components.learner, any(row.learns_from_probabilities for row in self.rows)
        return [
            self._fit(choice, features, fold.train, fold.test, probabilities=asked, in_sample=asked)
            for features in self.features
        ]

    def _baseline(
        self, choice: ConfiguredComponent, fold: Fold, learners: Sequence[LearnerFit]
    ) -> Sequence[LearnerFit]:
        """A baseline's fits; those of the base learner serve if it is the same."""
        if choice.text == self.components.learner.text:
            return learners
        return [self._fit(choice, features, fold.train, fold.test) for features in self.features]

    def _inner_folds(self, fold: Fold) -> list[Fold]:
        return inner_folds(self.labels[fold.train], self.inner_cv, seed=self.seed)

    def _fit(
        self,
        choice: ConfiguredComponent,
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
            self.components.learner,
            features,
            fold.train[part.train],
            asked if self.refit else np.concatenate([asked, fold.test]),
            probabilities=True,
        )

    def _feature_fit(self, choice: ConfiguredComponent, fold: Fold) -> FeatureFit:
        return FeatureFit(
            choice=choice,
            learner=self.components.learner,
            features=self.features,
            labels=self.labels,
            n_classes=self.n_classes,
            train=fold.train,
            test=fold.test,
        )


def _probabilities(answers: FitResult) -> Probabilities:
    assert answers.probabilities is not None, "asked for by the plan"
    return answers.probabilities
