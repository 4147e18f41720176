"""Fit one classifier on some rows and predict others."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stackkit import __version__
from stackkit.api.errors import PluginError
from stackkit.api.groups import group_argument
from stackkit.evaluation.classifiers import CheckedAggregator
from stackkit.evaluation.conditions import CONDITIONS, combined
from stackkit.evaluation.convergence import watch_convergence
from stackkit.evaluation.features import Features
from stackkit.evaluation.groups import Groups, numbered
from stackkit.evaluation.probabilities import (
    FoldProbabilities,
    Probabilities,
    checked_labels,
    class_probabilities,
    disagreements,
)
from stackkit.host.component import ConfiguredComponent
from stackkit.utils.versions import dependency_versions, source_digest


@dataclass(frozen=True, slots=True, kw_only=True)
class FitResult:
    """What a fitted classifier predicts.

    Parameters
    ----------
    labels : ndarray of shape (n_test,), int64
        Predicted labels of the test rows.
    converged : bool
        Whether the fit converged.
    probabilities : ndarray of shape (n_test, n_classes) or None
        Probabilities of the test rows; None if not requested.
    in_sample : ndarray of shape (n_train, n_classes) or None
        Probabilities of the training rows; None if not requested.
    disagreements : int
        Number of test rows whose predicted label is not their most probable one, once it was counted.

    """

    labels: NDArray[np.int64]
    converged: bool
    probabilities: Probabilities | None = None
    in_sample: Probabilities | None = None
    disagreements: int = 0

    def without_probabilities(self) -> FitResult:
        """Return the result with `disagreements` counted and without the large arrays."""
        count = 0 if self.probabilities is None else disagreements(self.labels, self.probabilities)
        return replace(self, probabilities=None, in_sample=None, disagreements=count)


class Fit(Protocol):
    """A classifier, the rows to fit it on and the rows to predict."""

    @property
    def digest(self) -> str:
        """Digest of everything that the result depends on: equal digests mean equal results."""

    @property
    def process_state(self) -> frozenset[str] | None:
        """Process-wide state that it uses; None: any, so nothing else may run meanwhile."""

    def run(self) -> FitResult:
        """Fit and predict; raises PluginError that names the component if this fails."""


# `eq=False` in the fits below: they are keys of dictionaries by identity, and comparing arrays with `==`
# does not give a single truth value.
@dataclass(frozen=True, kw_only=True, eq=False)
class LearnerFit:
    """A learner on the features of one backbone.

    Parameters
    ----------
    learner : ConfiguredComponent
        The learner.
    features : Features
        Features of one backbone.
    labels : ndarray of shape (n_samples,), int64
        Labels of all rows.
    n_classes : int
        Number of classes of the dataset.
    train, test : ndarray of int64
        Rows to fit on and rows to predict.
    probabilities, in_sample : bool
        Whether to compute probabilities of the test rows, and of the training rows.
    groups : ndarray of shape (n_samples,), int64, or None
        Groups of all rows, for learners that divide their training rows; None if no rows share one.

    """

    learner: ConfiguredComponent
    features: Features
    labels: NDArray[np.int64]
    n_classes: int
    train: NDArray[np.int64]
    test: NDArray[np.int64]
    probabilities: bool = False
    in_sample: bool = False
    groups: Groups | None = None

    @cached_property
    def digest(self) -> str:
        """Digest of the learner, the features, the training labels and the rows."""
        return _digest(
            ["learner", _identity(self.learner), self.features.digest, self.n_classes],
            [self.probabilities, self.in_sample],
            self.train,
            self.labels[self.train],
            self.test,
            *_training_groups(self.groups, self.train),
        )

    @property
    def process_state(self) -> frozenset[str] | None:
        """What the learner declares."""
        return self.learner.process_state

    def run(self) -> FitResult:
        """Fit the learner and predict the test rows."""
        with _errors_name(self.learner):
            learner, known = self.learner.create(), self.features.take(self.train)
            with watch_convergence() as watch:
                groups = group_argument(learner.fit, *_training_groups(self.groups, self.train))
                learner.fit(known, self.labels[self.train], **groups)
            in_sample = class_probabilities(learner, known, self.n_classes) if self.in_sample else None
            del known  # frees the training rows before the test rows are read: half the peak memory
            new = self.features.take(self.test)
            return FitResult(
                labels=checked_labels(learner.predict(new), len(new), self.n_classes),
                converged=not watch.stopped_early,
                probabilities=(
                    class_probabilities(learner, new, self.n_classes) if self.probabilities else None
                ),
                in_sample=in_sample,
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class ProbabilityFit:
    """An aggregator on the probabilities of one fold.

    Parameters
    ----------
    aggregator : CheckedAggregator
        The aggregator, with the kind of probabilities that it is fitted on.
    probabilities : FoldProbabilities
        Probabilities of all learners in this fold.
    labels : ndarray of shape (n_train,), int64
        Labels of the fold's training rows.
    sources : sequence of Fit
        The fits that the aggregator's probabilities come from.
    groups : ndarray of shape (n_train,), int64, or None
        Groups of the training rows; None if no rows of the run share one.
    uninformed : ndarray of int64
        Training rows whose out-of-fold probabilities do not come from the sources; see
        `without_information`.

    """

    aggregator: CheckedAggregator
    probabilities: FoldProbabilities
    labels: NDArray[np.int64]
    sources: Sequence[Fit]
    uninformed: NDArray[np.int64]
    groups: Groups | None = None

    @cached_property
    def digest(self) -> str:
        """Digest of the aggregator, the fits that its probabilities come from, and the labels."""
        # The digests of the sources stand for the probabilities and groups, so these need not be hashed.
        sources = [fit.digest for fit in self.sources]
        # Uninformed rows follow from the sources too, but earlier versions used the sources' values.
        replaced = [self.uninformed] if len(self.uninformed) else []
        identity = ["aggregator", _identity(self.aggregator.component), sources]
        return _digest(identity, self.labels, *replaced)

    @property
    def process_state(self) -> frozenset[str] | None:
        """What the aggregator declares."""
        return self.aggregator.component.process_state

    def run(self) -> FitResult:
        """Fit the aggregator and predict the test rows."""
        with _errors_name(self.aggregator.component):
            known, new = self.probabilities.for_aggregator(self.aggregator.fit_on)
            aggregator = self.aggregator.component.create()
            with watch_convergence() as watch:
                groups = group_argument(aggregator.fit, *_training_groups(self.groups))
                aggregator.fit(known, self.labels, **groups)
            _, n_test, n_classes = new.shape
            return FitResult(
                labels=checked_labels(aggregator.predict(new), n_test, n_classes),
                converged=not watch.stopped_early,
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class FeatureFit:
    """An aggregator on the features of all backbones, `fit_on` "features".

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

    @cached_property
    def digest(self) -> str:
        """Digest of the aggregator, its learner, the features, the training labels and the rows."""
        components = (self.aggregator.component, self.learner)
        return _digest(
            ["features", *map(_identity, components), self.n_classes],
            [features.digest for features in self.features],
            self.train,
            self.labels[self.train],
            self.test,
            *_training_groups(self.groups, self.train),
        )

    @property
    def process_state(self) -> frozenset[str] | None:
        """What the aggregator and the learner declare."""
        return combined(self.aggregator.component.process_state, self.learner.process_state)

    def run(self) -> FitResult:
        """Fit the aggregator and predict the test rows."""
        with _errors_name(self.aggregator.component):
            aggregator = self.aggregator.component.create()
            with watch_convergence() as watch:
                known = [features.take(self.train) for features in self.features]
                groups = group_argument(aggregator.fit, *_training_groups(self.groups, self.train))
                aggregator.fit(known, self.labels[self.train], self.learner.create(), **groups)
            del known  # as in LearnerFit.run
            new = [features.take(self.test) for features in self.features]
            return FitResult(
                labels=checked_labels(aggregator.predict(new), len(self.test), self.n_classes),
                converged=not watch.stopped_early,
            )


def _training_groups(
    groups: Groups | None, train: NDArray[np.int64] | slice = slice(None)
) -> list[Groups]:
    """Return the groups of the training rows in a list, which is empty without groups."""
    # Renumbered, so that a result does not depend on groups of rows that the fit does not see.
    return [] if groups is None else [numbered(groups[train])]


@contextmanager
def _errors_name(component: ConfiguredComponent) -> Iterator[None]:
    """Name the component in errors, also in those about what it returned."""
    with component.blamed():
        try:
            yield
        except PluginError as error:
            name = component.component.qualified_name
            if name in str(error):
                raise
            raise PluginError(f"{name} (from {component.component.distribution}): {error}") from error


def _identity(configured: ConfiguredComponent) -> list[Any]:
    """List everything about a component that its fits depend on."""
    component = configured.component
    return [
        component.qualified_name,
        component.distribution,
        component.version,
        dict(configured.options),
        # The version of a plugin in development stays the same while its code changes.
        source_digest(component.spec.factory.partition(":")[0]),
        dependency_versions(component.distribution),
        *([component.altered] if component.altered else []),
    ]


def _digest(*parts: NDArray[np.int64] | list[Any]) -> str:
    digest = hashlib.blake2b(f"{__version__} {CONDITIONS}".encode(), digest_size=16)
    for part in parts:
        if isinstance(part, list):
            digest.update(json.dumps(part, sort_keys=True).encode())
        else:
            digest.update(f"{part.dtype.str} {part.shape}".encode() + part.tobytes())
    return digest.hexdigest()
