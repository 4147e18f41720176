"""Turn predictions into accuracies with their uncertainty."""

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
    """How well one classifier predicts images that it was not fitted on; one row of the table.

    Parameters
    ----------
    name : str
        The classifier's name and options.
    kind : {"baseline", "learner", "aggregator"}
        What the classifier is in this run.
    backbones : tuple of str
        Labels of the backbones that provide its features.
    untrained : bool
        Whether any of these backbones has random weights.
    fold_accuracy : tuple of float
        Accuracy in each fold, in [0, 1].
    accuracy : float
        Mean of `fold_accuracy`, equal to scikit-learn's ``cross_val_score(...).mean()``.
    spread : float
        Standard deviation of `fold_accuracy` (with ``ddof=0``); 0 for a single fold.
    interval_95 : tuple of (float, float)
        Wilson's 95 % confidence interval for the share of correct predictions over all folds.
    converged : bool
        False if any fit of this classifier stopped before it converged.
    fit_on : {"in-sample", "out-of-fold", "features"} or None
        What an aggregator was fitted on; None for baselines and learners.

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
    """Compute the accuracy of a classifier from its predictions.

    Parameters
    ----------
    name, kind, backbones, untrained, converged, fit_on
        Copied to the result, see `Result`.
    folds : sequence of (ndarray, ndarray)
        Predicted and true labels of each fold, a pair of (n_test,) int64 arrays.
    repeats : int
        How often every image is predicted.

    Returns
    -------
    Result
        Accuracy per fold, mean, standard deviation and confidence interval.

    Notes
    -----
    The interval describes the uncertainty from the choice of test images, not from the choice of
    training images. Predicting the same image in several repeats adds no information about other images,
    so the interval counts each image once.

    References
    ----------
    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the
    American Statistical Association 22, 1927; computed by `scipy.stats.binomtest`.

    """
    accuracies = [float(np.mean(predicted == true)) for predicted, true in folds]
    n_correct = sum(int(np.sum(predicted == true)) for predicted, true in folds)
    n_predicted = sum(len(true) for _, true in folds)
    # `n_correct / repeats` may be fractional; binomtest accepts whole numbers only.
    interval = binomtest(round(n_correct / repeats), n_predicted // repeats).proportion_ci(
        method="wilson"
    )
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
    """Return the most accurate classifier on a single backbone; the first one of equals."""
    return max((r for r in results if r.kind != "aggregator"), key=lambda r: r.accuracy)
