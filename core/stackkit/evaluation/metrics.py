"""Predictions to figures with their uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from stackkit.api.types import FitOn

ResultKind = Literal["baseline", "learner", "aggregator"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How well one classifier predicts held-out images.

    `fold_accuracy` in [0, 1], one per fold; `accuracy` their mean, as scikit-learn's
    `cross_val_score(...).mean()`; `spread` their standard deviation, 0 for one fold;
    `interval_95` Wilson's interval for the share of right predictions over all folds;
    `converged` is False if any of its own fits stopped early; `fit_on` says what an aggregator
    learned from, and is None for the others.
    """

    name: str
    kind: ResultKind
    backbones: tuple[str, ...]
    untrained: bool
    fold_accuracy: tuple[float, ...]
    accuracy: float
    spread: float
    interval_95: tuple[float, float]
    converged: bool
    fit_on: FitOn | None = None


def score(
    name: str,
    kind: ResultKind,
    backbones: Sequence[str],
    folds: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
    *,
    untrained: bool,
    converged: bool,
    fit_on: FitOn | None = None,
    repeats: int = 1,
) -> Result:
    """Accuracy of (predicted, true) label pairs, one pair of (n,) arrays per fold.

    Wilson's interval (E. B. Wilson, JASA 22, 1927; `scipy.stats.binomtest`) speaks of the
    sampling of test images alone, not of the choice of training images; an image that is predicted
    in each of several `repeats` of the folds is one image.
    """
    accuracies = [float(np.mean(predicted == true)) for predicted, true in folds]
    right = sum(int(np.sum(predicted == true)) for predicted, true in folds)
    total = sum(len(true) for _, true in folds)
    interval = binomtest(round(right / repeats), total // repeats).proportion_ci(method="wilson")
    return Result(
        name=name,
        kind=kind,
        backbones=tuple(backbones),
        untrained=untrained,
        fold_accuracy=tuple(accuracies),
        accuracy=float(np.mean(accuracies)),
        spread=float(np.std(accuracies)),
        interval_95=(float(interval.low), float(interval.high)),
        converged=converged,
        fit_on=fit_on,
    )


def best_single(results: Sequence[Result]) -> Result:
    """The most accurate classifier on one backbone alone; the first of equals."""
    return max((r for r in results if r.kind != "aggregator"), key=lambda r: r.accuracy)
