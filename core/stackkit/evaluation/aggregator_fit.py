"""Fit an aggregator on the probabilities of base learners, or on the features of all backbones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit.api.groups import group_argument
from stackkit.evaluation.classifiers import CheckedAggregator
from stackkit.evaluation.conditions import combined
from stackkit.evaluation.convergence import watch_convergence
from stackkit.evaluation.features import Features
from stackkit.evaluation.fit import Fit, FitResult, errors_name, training_groups
from stackkit.evaluation.fit_digest import digest_of, identity
from stackkit.evaluation.groups import Groups
from stackkit.evaluation.kept import Kept
from stackkit.evaluation.probabilities import Probabilities, checked_labels
from stackkit.evaluation.scores import gives_scores, scores
from stackkit.host.configured_component import ConfiguredComponent


# `eq=False`: see `LearnerFit`.
@dataclass(frozen=True, kw_only=True, eq=False)
class ProbabilityFit:
    """An aggregator on the probabilities of one fold.

    Parameters
    ----------
    aggregator : CheckedAggregator
        The aggregator, with the kind of probabilities that it is fitted on.
    known, new : ndarray of shape (n_learners, n_train, n_classes), (n_learners, n_test, n_classes)
        Probabilities of all learners: of the training rows, to fit on, and of the test rows; see
        `FoldProbabilities.for_aggregator`.
    labels : ndarray of shape (n_train,), int64
        Labels of the fold's training rows.
    sources : sequence of Fit
        The fits that the aggregator's probabilities come from.
    groups : ndarray of shape (n_train,), int64, or None
        Groups of the training rows; None if no rows of the run share one.
    uninformed : ndarray of int64
        Training rows whose out-of-fold probabilities do not come from the sources; see
        `without_information`.
    keep : bool
        Whether the result keeps the fitted aggregator.

    """

    aggregator: CheckedAggregator
    known: Probabilities
    new: Probabilities
    labels: NDArray[np.int64]
    sources: Sequence[Fit]
    uninformed: NDArray[np.int64]
    groups: Groups | None = None
    keep: bool = False

    @cached_property
    def digest(self) -> str:
        """Digest of the aggregator, the fits that its probabilities come from, and the labels."""
        # The digests of the sources stand for the probabilities and groups, so these need not be hashed.
        sources = [fit.digest for fit in self.sources]
        # Uninformed rows follow from the sources too, but earlier versions used the sources' values.
        replaced = [self.uninformed] if len(self.uninformed) else []
        named = ["aggregator", identity(self.aggregator.component), sources]
        return digest_of(named, self.labels, *replaced, *_besides(keep=self.keep))

    @property
    def process_state(self) -> frozenset[str] | None:
        """What the aggregator declares."""
        return self.aggregator.component.process_state

    @property
    def title(self) -> str:
        """The aggregator."""
        return f"aggregator {self.aggregator.component.label}"

    @property
    def own_rows(self) -> Sequence[NDArray[np.int64]]:
        """None: all aggregators of a fold are fitted on the same rows."""
        return ()

    @property
    def kept(self) -> Kept:
        """How the fitted aggregator is kept."""
        return Kept(component=self.aggregator.component, n_classes=self.new.shape[2])

    @property
    def stays_here(self) -> bool:
        """Whether an aggregator without a state is kept."""
        return self.keep and not self.kept.portable

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what only the digest needs, such as all fits below this one."""
        return {**self.__dict__, "digest": self.digest, "sources": (), "uninformed": self.uninformed[:0]}

    def run(self) -> FitResult:
        """Fit the aggregator and predict the test rows."""
        with errors_name(self.aggregator.component):
            aggregator = self.aggregator.component.create()
            with watch_convergence() as watch:
                groups = group_argument(aggregator.fit, *training_groups(self.groups))
                aggregator.fit(self.known, self.labels, **groups)
            _, n_test, n_classes = self.new.shape
            return FitResult(
                converged=not watch.stopped_early,
                **_predicted(aggregator, self.new, n_test, n_classes),
                **(self.kept.of(aggregator) if self.keep else {}),
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class FeatureFit:
    """An aggregator on the features of all backbones, `fit_on` "features".

    Several views of an image are averaged, whatever the learner's option `views` says: backbones may
    have different views, so a view of one has no counterpart in another.

    The other parameters are those of `LearnerFit`; `learner` is passed to the aggregator.
    """

    aggregator: CheckedAggregator
    learner: ConfiguredComponent
    features: Sequence[Features]
    labels: NDArray[np.int64]
    n_classes: int
    train: NDArray[np.int64]
    test: NDArray[np.int64]
    groups: Groups | None = None
    keep: bool = False

    @cached_property
    def digest(self) -> str:
        """Digest of the aggregator, its learner, the features, the training labels and the rows."""
        components = (self.aggregator.component, self.learner)
        return digest_of(
            ["features", *map(identity, components), self.n_classes],
            [features.digest for features in self.features],
            self.train,
            self.labels[self.train],
            self.test,
            *training_groups(self.groups, self.train),
            *_besides(keep=self.keep),
        )

    @property
    def process_state(self) -> frozenset[str] | None:
        """What the aggregator and the learner declare."""
        return combined(self.aggregator.component.process_state, self.learner.process_state)

    @property
    def title(self) -> str:
        """The aggregator, its learner and the backbones."""
        backbones = " + ".join(features.label for features in self.features)
        return f"aggregator {self.aggregator.component.label} of {self.learner.label} on {backbones}"

    @property
    def own_rows(self) -> Sequence[NDArray[np.int64]]:
        """The rows to fit on and those to predict."""
        return self.train, self.test

    @property
    def kept(self) -> Kept:
        """How the fitted aggregator is kept."""
        component = self.aggregator.component
        return Kept(component=component, n_classes=self.n_classes, learner=self.learner)

    @property
    def stays_here(self) -> bool:
        """Whether an aggregator without a state is kept."""
        return self.keep and not self.kept.portable

    def run(self) -> FitResult:
        """Fit the aggregator and predict the test rows."""
        with errors_name(self.aggregator.component):
            aggregator = self.aggregator.component.create()
            with watch_convergence() as watch:
                known = [features.take_average(self.train) for features in self.features]
                groups = group_argument(aggregator.fit, *training_groups(self.groups, self.train))
                aggregator.fit(known, self.labels[self.train], self.learner.create(), **groups)
            del known  # as in LearnerFit.run
            new = [features.take_average(self.test) for features in self.features]
            return FitResult(
                converged=not watch.stopped_early,
                **_predicted(aggregator, new, len(self.test), self.n_classes),
                **(self.kept.of(aggregator) if self.keep else {}),
            )


def _besides(*, keep: bool) -> list[list[Any]]:
    """Return what tells the results of these fits from those of versions that had no scores."""
    return [["scores and their kind"], *([["keep"]] if keep else [])]


def _predicted(aggregator: Any, new: Any, count: int, n_classes: int) -> dict[str, Any]:
    """Return the labels of the test rows, and their scores if the aggregator gives any."""
    if not count:
        return {"labels": np.empty(0, dtype=np.int64)}
    found: dict[str, Any] = {"labels": checked_labels(aggregator.predict(new), count, n_classes)}
    if gives_scores(aggregator):
        found["scores"] = scores(aggregator, new, count, n_classes)
        found["probabilistic"] = hasattr(aggregator, "predict_proba")
    return found
