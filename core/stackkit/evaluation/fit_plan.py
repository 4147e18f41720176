"""Decide what is fitted on which rows, so that each distinct fit runs once for all rows of the table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from stackkit.evaluation.aggregator_fit import FeatureFit, ProbabilityFit
from stackkit.evaluation.classifiers import CheckedAggregator, CheckedClassifiers, gives_probabilities
from stackkit.evaluation.features import Features
from stackkit.evaluation.fold_fits import FoldFits
from stackkit.evaluation.folds import Fold, inner_folds, rows_of_unknown_classes
from stackkit.evaluation.groups import Groups
from stackkit.evaluation.learner_fit import LearnerFit
from stackkit.evaluation.metrics import ResultKind
from stackkit.evaluation.probabilities import FoldProbabilities
from stackkit.evaluation.table_row import TableRow
from stackkit.host.configured_component import ConfiguredComponent


@dataclass(frozen=True, kw_only=True)
class FitPlan:
    """All classifiers of a run on the same features, labels and inner folds.

    Parameters
    ----------
    classifiers : CheckedClassifiers
        Learners, baselines and aggregators.
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
    learners_too : bool
        Whether the learners are fitted on whole training folds and have rows in the table. False if the
        aggregators do not need them: on features, or out-of-fold without `refit`.
    chosen : str
        Text of the aggregator that a model is made with; "" for none.
    keep : bool
        Whether results keep the fitted learners, and the chosen aggregator.

    """

    classifiers: CheckedClassifiers
    features: Sequence[Features]
    labels: NDArray[np.int64]
    n_classes: int
    inner_cv: int
    seed: int
    refit: bool = True
    groups: Groups | None = None
    learners_too: bool = True
    chosen: str = ""
    keep: bool = False

    @cached_property
    def rows(self) -> list[TableRow]:
        """The rows of the table in its order: baselines, learners, aggregators."""
        single: list[tuple[ConfiguredComponent, ResultKind]] = [
            *((baseline, "baseline") for baseline in self.classifiers.baselines),
            *((learner, "learner") for learner in self.classifiers.learners if self.learners_too),
        ]
        return [
            *(
                TableRow(classifier=classifier, kind=kind, features=[features])
                for classifier, kind in single
                for features in self.features
            ),
            *self._aggregator_rows(),
        ]

    def _aggregator_rows(self) -> Iterator[TableRow]:
        learners = self.classifiers.learners
        for aggregator in self.classifiers.aggregators:
            on_features = aggregator.fit_on == "features"
            # On features, an aggregator fits a learner itself, so each learner has a row of its own.
            for used in [(learner,) for learner in learners] if on_features else [learners]:
                yield TableRow(
                    classifier=aggregator.component,
                    kind="aggregator",
                    features=self.features,
                    learners=used,
                    fit_on=aggregator.fit_on,
                    one_of_several=on_features and len(learners) > 1,
                )

    @property
    def base_learners(self) -> list[tuple[ConfiguredComponent, Features]]:
        """Every learner on every backbone; all of them feed the aggregators, in this order."""
        return [
            (learner, features) for learner in self.classifiers.learners for features in self.features
        ]

    @property
    def needs_probabilities(self) -> bool:
        """Whether any aggregator is fitted on probabilities."""
        return any(a.fit_on != "features" for a in self.classifiers.aggregators)

    def fold_fits(self, number: int, fold: Fold) -> FoldFits:
        """Plan the fits of one fold; nothing that no row of the table needs."""
        known = None if self.groups is None else self.groups[fold.train]
        inside = (
            inner_folds(self.labels[fold.train], self.inner_cv, seed=self.seed, groups=known)
            if any(each.fit_on == "out-of-fold" for each in self.classifiers.aggregators)
            else []
        )
        learners = [
            self._learner_fit(learner, features, fold)
            for learner, features in self.base_learners
            if self.learners_too
        ]
        return FoldFits(
            number=number,
            fold=fold,
            inner_folds=inside,
            uninformed=rows_of_unknown_classes(self.labels[fold.train], inside),
            average=not self.refit,
            baselines=[
                self._baseline_fits(baseline, fold, learners) for baseline in self.classifiers.baselines
            ],
            learners=learners,
            inner=[
                [self._inner_fit(learner, features, fold, inner) for inner in inside]
                for learner, features in self.base_learners
            ],
            feature_fits=self._feature_fits(fold),
        )

    def probability_fits(self, fits: FoldFits, probabilities: FoldProbabilities) -> list[ProbabilityFit]:
        """Plan the fits of the aggregators on the probabilities of one fold, in the table's order."""
        # The same arrays for all aggregators, so that workers get them once.
        labels = self.labels[fits.fold.train]
        groups = None if self.groups is None else self.groups[fits.fold.train]
        planned = []
        for aggregator in self.classifiers.aggregators:
            if aggregator.fit_on == "features":
                continue
            known, new = probabilities.for_aggregator(aggregator.fit_on)
            informed = aggregator.fit_on != "out-of-fold"
            planned.append(
                ProbabilityFit(
                    aggregator=aggregator,
                    known=known,
                    new=new,
                    labels=labels,
                    sources=fits.sources(aggregator.fit_on),
                    groups=groups,
                    uninformed=fits.uninformed[:0] if informed else fits.uninformed,
                    keep=self._keeps(aggregator),
                )
            )
        return planned

    def _keeps(self, aggregator: CheckedAggregator) -> bool:
        return self.keep and aggregator.component.text == self.chosen

    def _baseline_fits(
        self, baseline: ConfiguredComponent, fold: Fold, learners: Sequence[LearnerFit]
    ) -> list[LearnerFit]:
        """Fit a baseline on every backbone; take the learner's fits if it is a learner too."""
        shared = [fit for fit in learners if fit.learner.text == baseline.text]
        return shared or [
            self._fit(baseline, one, fold.train, fold.test, probabilities=gives_probabilities(baseline))
            for one in self.features
        ]

    def _feature_fits(self, fold: Fold) -> Mapping[tuple[str, str], FeatureFit]:
        return {
            (aggregator.component.text, learner.text): FeatureFit(
                aggregator=aggregator,
                learner=learner,
                features=self.features,
                labels=self.labels,
                n_classes=self.n_classes,
                train=fold.train,
                test=fold.test,
                groups=self.groups,
                keep=self._keeps(aggregator),
            )
            for aggregator in self.classifiers.aggregators
            if aggregator.fit_on == "features"
            for learner in self.classifiers.learners
        }

    def _learner_fit(self, learner: ConfiguredComponent, features: Features, fold: Fold) -> LearnerFit:
        return self._fit(
            learner,
            features,
            fold.train,
            fold.test,
            probabilities=gives_probabilities(learner),
            in_sample=self.needs_probabilities,
            keep=self.keep,
        )

    def _inner_fit(
        self, learner: ConfiguredComponent, features: Features, fold: Fold, inner: Fold
    ) -> LearnerFit:
        held_out = fold.train[inner.test]
        return self._fit(
            learner,
            features,
            fold.train[inner.train],
            held_out if self.refit else np.concatenate([held_out, fold.test]),
            probabilities=True,
            keep=self.keep and not self.refit,
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
        keep: bool = False,
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
            keep=keep,
        )
