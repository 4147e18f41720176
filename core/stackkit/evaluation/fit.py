"""One classifier, fitted on some rows and asked about others."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stackkit import __version__
from stackkit.api.errors import PluginError
from stackkit.evaluation.convergence import watching
from stackkit.evaluation.features import Features
from stackkit.evaluation.probabilities import (
    FoldProbabilities,
    Probabilities,
    checked_labels,
    class_probabilities,
)
from stackkit.host.component import ConfiguredComponent
from stackkit.utils.versions import dependency_versions, source_digest


@dataclass(frozen=True, slots=True, kw_only=True)
class FitResult:
    """What a fitted classifier says of the rows it was asked about.

    `labels` (n,) and `probabilities` (n, n_classes) are of held-out rows, `in_sample`
    (m, n_classes) of the rows it was fitted on; None where nobody needs them.
    """

    labels: NDArray[np.int64]
    converged: bool
    probabilities: Probabilities | None = None
    in_sample: Probabilities | None = None

    def without_probabilities(self) -> FitResult:
        """The rest, which is small."""
        return FitResult(labels=self.labels, converged=self.converged)


class Fit(Protocol):
    """Something to be fitted once."""

    @property
    def digest(self) -> str:
        """Name by content: two fits with the same digest have the same answers."""

    def carry_out(self) -> FitResult:
        """Fit and ask; raises PluginError that names the component at fault."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LearnerFit:
    """A learner on one backbone's features: fitted on rows `train`, asked about rows `test`.

    `labels` (n,) are those of all rows. With `probabilities` it is asked for these too, and with
    `in_sample` also for those of the training rows.
    """

    choice: ConfiguredComponent
    features: Features
    labels: NDArray[np.int64]
    n_classes: int
    train: NDArray[np.int64]
    test: NDArray[np.int64]
    probabilities: bool = False
    in_sample: bool = False

    @cached_property
    def digest(self) -> str:
        """Of the learner, the features, the labels to learn from, and the rows."""
        return _digest(
            ["learner", _identity(self.choice), self.features.digest, self.n_classes],
            [self.probabilities, self.in_sample],
            self.train,
            self.labels[self.train],
            self.test,
        )

    def carry_out(self) -> FitResult:
        """The features of the training rows are let go before those of the others are read."""
        with _named(self.choice):
            learner, known = self.choice.create(), self.features.take(self.train)
            with watching() as early:
                learner.fit(known, self.labels[self.train])
            in_sample = class_probabilities(learner, known, self.n_classes) if self.in_sample else None
            del known
            new = self.features.take(self.test)
            return FitResult(
                labels=checked_labels(learner.predict(new), len(new), self.n_classes),
                converged=not early.seen,
                probabilities=(
                    class_probabilities(learner, new, self.n_classes) if self.probabilities else None
                ),
                in_sample=in_sample,
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class ProbabilityFit:
    """An aggregator on the probabilities of one fold; `origin` are the fits that they are of."""

    choice: ConfiguredComponent
    stacked: FoldProbabilities
    labels: NDArray[np.int64]
    origin: Sequence[Fit]

    @cached_property
    def digest(self) -> str:
        """Of the aggregator, the fits that it learns from, and the labels (m,) of the fold's rows."""
        origin = [fit.digest for fit in self.origin]
        return _digest(["aggregator", _identity(self.choice), origin], self.labels)

    def carry_out(self) -> FitResult:
        """Hand the aggregator exactly the probabilities that its `fit_on` declares."""
        with _named(self.choice):
            aggregator = self.choice.create()
            known, new = self.stacked.for_aggregator(aggregator.fit_on)
            with watching() as early:
                aggregator.fit(known, self.labels)
            _, count, n_classes = new.shape
            return FitResult(
                labels=checked_labels(aggregator.predict(new), count, n_classes),
                converged=not early.seen,
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class FeatureFit:
    """An aggregator that works on the features of all backbones instead of probabilities."""

    choice: ConfiguredComponent
    learner: ConfiguredComponent
    features: Sequence[Features]
    labels: NDArray[np.int64]
    n_classes: int
    train: NDArray[np.int64]
    test: NDArray[np.int64]

    @cached_property
    def digest(self) -> str:
        """Of the aggregator, its learner, the features, the labels to learn from, and the rows."""
        return _digest(
            ["features", _identity(self.choice), _identity(self.learner), self.n_classes],
            [features.digest for features in self.features],
            self.train,
            self.labels[self.train],
            self.test,
        )

    def carry_out(self) -> FitResult:
        """The features of the training rows are let go before those of the others are read."""
        with _named(self.choice):
            aggregator = self.choice.create()
            with watching() as early:
                known = [features.take(self.train) for features in self.features]
                aggregator.fit(known, self.labels[self.train], self.learner.create())
            del known
            new = [features.take(self.test) for features in self.features]
            return FitResult(
                labels=checked_labels(aggregator.predict(new), len(self.test), self.n_classes),
                converged=not early.seen,
            )


@contextmanager
def _named(choice: ConfiguredComponent) -> Iterator[None]:
    """Let errors say whose they are, also where the component's answer is at fault."""
    try:
        with choice.blamed():
            yield
    except PluginError as error:
        origin = choice.component.qualified_name
        if origin in str(error):
            raise
        raise PluginError(f"{origin} (from {choice.component.distribution}): {error}") from error


def _identity(choice: ConfiguredComponent) -> list[Any]:
    """Everything about a component that its fits depend on."""
    component = choice.component
    return [
        component.qualified_name,
        component.distribution,
        component.version,
        dict(choice.options),
        source_digest(component.spec.factory.partition(":")[0]),
        dependency_versions(component.distribution),
    ]


def _digest(*parts: NDArray[np.int64] | list[Any]) -> str:
    found = hashlib.blake2b(__version__.encode(), digest_size=16)
    for part in parts:
        if isinstance(part, list):
            found.update(json.dumps(part, sort_keys=True).encode())
        else:
            found.update(f"{part.dtype.str} {part.shape}".encode() + part.tobytes())
    return found.hexdigest()
