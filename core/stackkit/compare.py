"""Baselines, base learners and aggregators side by side on the same folds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from stackkit.choice import Choice
from stackkit.errors import PluginError
from stackkit.evaluate import Result, ResultKind, score
from stackkit.folds import Fold
from stackkit.recipe import Ingredients
from stackkit.stacking import LearnerFit, fit_aggregator, fit_baseline, fit_learner, stack
from stackkit.types import Reporter

TASK = "fitting"

Outcome = tuple[NDArray[np.int64], bool]
"""Labels predicted for a fold's test rows, and whether the fit converged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """Features of one backbone under the label users see: (n, d) float32."""

    label: str
    trained: bool
    matrix: NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What is compared: every classifier on the same features, labels (n,) and folds."""

    ingredients: Ingredients
    features: Sequence[Features]
    labels: NDArray[np.int64]
    n_classes: int
    folds: Sequence[Fold]
    inner_cv: int
    seed: int
    reporter: Reporter

    @property
    def n_images(self) -> int:
        """Images that are learned from or predicted in some fold."""
        used = [rows for fold in self.folds for rows in (fold.train, fold.test)]
        return len(np.unique(np.concatenate(used)))

    def results(self) -> list[Result]:
        """Each learner is fitted once per fold and backbone, whatever the number of aggregators."""
        with calm_threads():
            return self._results()

    def _results(self) -> list[Result]:
        chosen = self.ingredients
        per_backbone = 2 if chosen.baseline else 1
        fits = len(self.features) * per_backbone + len(chosen.aggregators)
        self.reporter.start(TASK, len(self.folds) * fits)
        results: list[Result] = []
        if chosen.baseline:
            results += [self._baseline(chosen.baseline, features) for features in self.features]
        learned = [
            [self._learn(features, fold) for fold in self._counted()] for features in self.features
        ]
        results += [
            self._result(
                chosen.learner.text, "learner", [features], [(f.test_labels, f.converged) for f in fits]
            )
            for features, fits in zip(self.features, learned, strict=True)
        ]
        stacks = [stack([fits[k] for fits in learned]) for k in range(len(self.folds))]
        for choice in chosen.aggregators:
            with _named(choice):
                outcomes = [
                    fit_aggregator(choice.create(), probabilities, self.labels[fold.train])
                    for fold, probabilities in zip(self._counted(), stacks, strict=True)
                ]
            results.append(self._result(choice.text, "aggregator", self.features, outcomes))
        return results

    def _counted(self) -> Iterator[Fold]:
        """The folds, counting each as finished when the next is asked for."""
        for fold in self.folds:
            yield fold
            self.reporter.advance(TASK, 1)

    def _baseline(self, choice: Choice, features: Features) -> Result:
        with _named(choice):
            outcomes = [
                fit_baseline(choice.create(), features.matrix, self.labels, self.n_classes, fold)
                for fold in self._counted()
            ]
        return self._result(choice.text, "baseline", [features], outcomes)

    def _learn(self, features: Features, fold: Fold) -> LearnerFit:
        learner = self.ingredients.learner
        with _named(learner):
            return fit_learner(
                learner.create,
                features.matrix,
                self.labels,
                self.n_classes,
                fold,
                out_of_fold=self.inner_cv if self._wants_out_of_fold() else None,
                seed=self.seed,
            )

    def _wants_out_of_fold(self) -> bool:
        return any(choice.create().fit_on == "out-of-fold" for choice in self.ingredients.aggregators)

    def _result(
        self, name: str, kind: ResultKind, on: Sequence[Features], outcomes: Sequence[Outcome]
    ) -> Result:
        return score(
            name,
            kind,
            [features.label for features in on],
            [
                (labels, self.labels[fold.test])
                for (labels, _), fold in zip(outcomes, self.folds, strict=True)
            ],
            untrained=not all(features.trained for features in on),
            converged=all(converged for _, converged in outcomes),
        )


@contextmanager
def _named(choice: Choice) -> Iterator[None]:
    """Let errors say whose they are, also where the component's answer is at fault."""
    try:
        with choice.blamed():
            yield
    except PluginError as error:
        origin = choice.component.qualified_name
        if origin in str(error):
            raise
        raise PluginError(f"{origin} (from {choice.component.distribution}): {error}") from error


@contextmanager
def calm_threads() -> Iterator[None]:
    """Keep SciPy's copy of OpenBLAS to one thread while scikit-learn fits.

    NumPy and SciPy each bring an OpenBLAS with a pool as wide as the machine. Solvers alternate
    between them, and the waiting pool spins on the cores that the other needs; what that costs is
    measured by benchmarks/threads.py.
    """
    controller = ThreadpoolController()
    scipys = [
        library.filepath for library in controller.lib_controllers if "scipy.libs" in library.filepath
    ]
    with controller.select(filepath=scipys).limit(limits=1):
        yield
