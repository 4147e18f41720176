"""Decide what is fitted on which rows, so that each distinct fit runs once for all rows of the table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from stackkit.api.types import FitOn
from stackkit.evaluation.classifiers import CheckedClassifiers
from stackkit.evaluation.features import Features
from stackkit.evaluation.fit import FeatureFit, Fit, FitResult, LearnerFit, ProbabilityFit
from stackkit.evaluation.folds import Fold, inner_folds, rows_of_unknown_classes
from stackkit.evaluation.groups import Groups
from stackkit.evaluation.metrics import ResultKind
from stackkit.evaluation.probabilities import (
    FoldProbabilities,
    Probabilities,
    out_of_fold,
    without_information,
)
from stackkit.host.component import ConfiguredComponent


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRow:
    """A row of the result table: a classifier on the features of one or all backbones.

    `fit_on` is None for baselines and learners.
    """

    classifier: ConfiguredComponent
    kind: ResultKind
    features: Sequence[Features]
    fit_on: FitOn | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldFits:
    """The distinct fits of one fold that do not depend on other fits.

    Parameters
    ----------
    number : int
        The fold's number, from 0.
    fold : Fold
        Its training and test rows.
    inner_folds : sequence of Fold
        Inner folds of the training rows; empty if no aggregator is fitted on out-of-fold probabilities.
    uninformed : ndarray of shape (n_uninformed,), int64
        Positions of training rows whose class no inner fold's learner knows: the only image of a class.
    average : bool
        Whether the inner folds' learners also predict the test rows, for
        `FoldProbabilities.test_averaged`.
    baselines : sequence of sequence of LearnerFit
        `baselines[b][i]` fits baseline b on backbone i. It is the learner's fit if both are the same.
    learners : sequence of LearnerFit
        `learners[i]` fits the learner on backbone i.
    inner : sequence of sequence of LearnerFit
        `inner[i][k]` fits the learner on backbone i without inner fold k.
    feature_fits : mapping of str to FeatureFit
        Fits of aggregators on features, by the aggregator's name and options.

    """

    number: int
    fold: Fold
    inner_folds: Sequence[Fold]
    uninformed: NDArray[np.int64]
    average: bool
    baselines: Sequence[Sequence[LearnerFit]]
    learners: Sequence[LearnerFit]
    inner: Sequence[Sequence[LearnerFit]]
    feature_fits: Mapping[str, FeatureFit]

    @property
    def all(self) -> list[Fit]:
        """Every fit once."""
        fits: Iterator[Fit] = chain(
            *self.baselines, self.feature_fits.values(), self.learners, *self.inner
        )
        return list(dict.fromkeys(fits))  # a baseline that equals the learner shares its fits

    def sources(self, fit_on: FitOn) -> list[LearnerFit]:
        """Return the fits that the probabilities of an aggregator come from."""
        # In-sample aggregators do not depend on the inner fits. Leaving these out of the digest keeps
        # their cached fits valid when an out-of-fold aggregator is added or --inner-cv changes.
        return [*self.learners, *(chain(*self.inner) if fit_on == "out-of-fold" else ())]

    def single_results(self, results: Mapping[Fit, FitResult]) -> Iterator[FitResult]:
        """Yield the results of the baselines, then of the learners, in the order of the table."""
        yield from (results[fit] for fit in chain(*self.baselines))
        for fit, inner in zip(self.learners, self.inner, strict=True):
            # The table has one row for a learner and its inner fits, which must report all warnings.
            converged = all(results[one].converged for one in (fit, *inner))
            yield replace(results[fit], converged=converged)

    def probabilities(self, results: Mapping[Fit, FitResult]) -> FoldProbabilities:
        """Stack the learners' probabilities along a new first axis, in the order of the backbones."""
        in_sample = [results[fit].in_sample for fit in self.learners]
        test = [results[fit].probabilities for fit in self.learners]
        labels = self.learners[0].labels[self.fold.train]
        held_out, averaged = [], []
        for fits in self.inner if self.inner_folds else ():
            # An inner fit predicts its held-out rows and then, if `average`, the fold's test rows.
            parts = [
                np.split(_present(results[fit].probabilities), [len(inner.test)])
                for fit, inner in zip(fits, self.inner_folds, strict=True)
            ]
            known_rows = out_of_fold([known for known, _ in parts], self.inner_folds)
            held_out.append(without_information(known_rows, self.uninformed, labels))
            if self.average:
                averaged.append(np.mean([new for _, new in parts], axis=0))
        return FoldProbabilities(
            in_sample=np.stack(list(map(_present, in_sample))),
            out_of_fold=np.stack(held_out) if held_out else None,
            test=np.stack(list(map(_present, test))),
            test_averaged=np.stack(averaged) if averaged else None,
        )


@dataclass(frozen=True, kw_only=True)
class FitPlan:
    """All classifiers of a run on the same features, labels and inner folds.

    Parameters
    ----------
    classifiers : CheckedClassifiers
        Learner, baselines and aggregators.
    features : sequence of Features
        One entry per backbone, all with the same rows.
    labels : ndarray of shape (n_samples,), int64
        Labels of the rows.
    n_classes : int
        Number of classes of the dataset.
    inner_cv : int
        Number of inner folds for out-of-fold probabilities.
    seed : int
        Seed of the inner folds.
    refit : bool
        How test rows are predicted for aggregators that are fitted on out-of-fold probabilities. True:
        by learners fitted on the whole training fold, as in scikit-learn's `StackingClassifier`. False:
        by the mean over the learners of the inner folds.
    groups : ndarray of shape (n_samples,), int64, or None
        Groups of the rows that inner folds keep together; None if no rows share one.

    """

    classifiers: CheckedClassifiers
    features: Sequence[Features]
    labels: NDArray[np.int64]
    n_classes: int
    inner_cv: int
    seed: int
    refit: bool = True
    groups: Groups | None = None

    @cached_property
    def rows(self) -> list[TableRow]:
        """The rows of the table in its order: baselines, learner, aggregators."""
        single: list[tuple[ConfiguredComponent, ResultKind]] = [
            *((baseline, "baseline") for baseline in self.classifiers.baselines),
            (self.classifiers.learner, "learner"),
        ]
        return [
            *(
                TableRow(classifier=classifier, kind=kind, features=[features])
                for classifier, kind in single
                for features in self.features
            ),
            *(
                TableRow(
                    classifier=aggregator.component,
                    kind="aggregator",
                    features=self.features,
                    fit_on=aggregator.fit_on,
                )
                for aggregator in self.classifiers.aggregators
            ),
        ]

    @property
    def needs_probabilities(self) -> bool:
        """Whether any aggregator is fitted on probabilities."""
        return any(a.fit_on != "features" for a in self.classifiers.aggregators)

    def fold_fits(self, number: int, fold: Fold) -> FoldFits:
        """Plan the fits of one fold; nothing that no row of the table needs."""
        aggregators, learner = self.classifiers.aggregators, self.classifiers.learner
        needs_inner = any(aggregator.fit_on == "out-of-fold" for aggregator in aggregators)
        known = None if self.groups is None else self.groups[fold.train]
        inside = (
            inner_folds(self.labels[fold.train], self.inner_cv, seed=self.seed, groups=known)
            if needs_inner
            else []
        )
        learners = [self._learner_fit(features, fold) for features in self.features]
        return FoldFits(
            number=number,
            fold=fold,
            inner_folds=inside,
            uninformed=rows_of_unknown_classes(self.labels[fold.train], inside),
            average=not self.refit,
            baselines=[
                learners
                if baseline.text == learner.text
                else [self._fit(baseline, one, fold.train, fold.test) for one in self.features]
                for baseline in self.classifiers.baselines
            ],
            learners=learners,
            inner=[
                [self._inner_fit(features, fold, inner) for inner in inside]
                for features in self.features
            ],
            feature_fits={
                aggregator.component.text: FeatureFit(
                    aggregator=aggregator,
                    learner=learner,
                    features=self.features,
                    labels=self.labels,
                    n_classes=self.n_classes,
                    train=fold.train,
                    test=fold.test,
                    groups=self.groups,
                )
                for aggregator in aggregators
                if aggregator.fit_on == "features"
            },
        )

    def probability_fits(self, fits: FoldFits, probabilities: FoldProbabilities) -> list[ProbabilityFit]:
        """Plan the fits of the aggregators on the probabilities of one fold, in the table's order."""
        return [
            ProbabilityFit(
                aggregator=aggregator,
                probabilities=probabilities,
                labels=self.labels[fits.fold.train],
                sources=fits.sources(aggregator.fit_on),
                groups=None if self.groups is None else self.groups[fits.fold.train],
                uninformed=(
                    fits.uninformed if aggregator.fit_on == "out-of-fold" else fits.uninformed[:0]
                ),
            )
            for aggregator in self.classifiers.aggregators
            if aggregator.fit_on != "features"
        ]

    def _learner_fit(self, features: Features, fold: Fold) -> LearnerFit:
        return self._fit(
            self.classifiers.learner,
            features,
            fold.train,
            fold.test,
            probabilities=self.needs_probabilities,
            in_sample=self.needs_probabilities,
        )

    def _inner_fit(self, features: Features, fold: Fold, inner: Fold) -> LearnerFit:
        held_out = fold.train[inner.test]
        return self._fit(
            self.classifiers.learner,
            features,
            fold.train[inner.train],
            held_out if self.refit else np.concatenate([held_out, fold.test]),
            probabilities=True,
        )

    def _fit(
        self,
        learner: ConfiguredComponent,
        features: Features,
        train: NDArray[np.int64],
        test: NDArray[np.int64],
        *,
        probabilities: bool = False,
        in_sample: bool = False,
    ) -> LearnerFit:
        return LearnerFit(
            learner=learner,
            features=features,
            labels=self.labels,
            n_classes=self.n_classes,
            train=train,
            test=test,
            probabilities=probabilities,
            in_sample=in_sample,
            groups=self.groups,
        )


def _present(probabilities: Probabilities | None) -> Probabilities:
    assert probabilities is not None, "requested by the fit plan"
    return probabilities
