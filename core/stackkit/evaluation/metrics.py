"""Turn predictions into accuracies with their uncertainty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from stackkit.api.aggregator import FitOn
from stackkit.evaluation.uncertainty import accuracy_interval, gain_interval, once_each, weights_of
from stackkit.statistics.intervals import Interval
from stackkit.statistics.scores import macro_f1

ResultKind = Literal["baseline", "learner", "aggregator", "reference"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How well one classifier predicts images that it was not fitted on; one row of the table.

    Parameters
    ----------
    name : str
        The classifier's name and options.
    kind : {"baseline", "learner", "aggregator", "reference"}
        What the classifier is in this run.
    backbones : tuple of str
        Labels of the backbones that provide its features.
    untrained : bool
        Whether any of these backbones has random weights.
    fold_accuracy : tuple of float
        Accuracy in each fold, in [0, 1].
    accuracy : float
        Mean of `fold_accuracy`, equal to scikit-learn's ``cross_val_score(...).mean()``. Where folds
        keep groups together and thus differ in size, the share of correct predictions over all folds.
        Where a hold-out is drawn several times, the mean over all images that were drawn.
    spread : float or None
        Standard deviation of `fold_accuracy` (with ``ddof=0``); None for a single fold.
    interval_95 : tuple of (float, float)
        Wilson's 95 % confidence interval for the share of correct predictions over all folds. Where
        images have groups, that of a cluster bootstrap.
    balanced_accuracy : float
        Mean over the classes of the share of their test images that are predicted correctly, in [0, 1].
        All classes count the same, however many images they have.
    converged : bool
        False if any fit of this classifier stopped before it converged.
    fit_on : {"in-sample", "out-of-fold", "features"} or None
        What an aggregator was fitted on; None for baselines and learners.
    gain_interval_95 : tuple of (float, float) or None
        Tango's 95 % interval for the share of correct predictions minus that of the best single
        backbone, on the same images; None for the best single backbone itself. Where images have groups,
        that of a paired bootstrap over groups.
    disagreements : int
        Number of predictions of a stacked learner that differ from the most probable class by its own
        probabilities, over all folds.
    learners : tuple of str
        Learners that an aggregator combines, or the one that it fits on features; empty for others.
    views : tuple of str
        What a learner with ``views=auto`` used in each fold, "rows" or "whole"; empty for others.
    macro_f1 : float
        Mean over the classes of the F1 score, in [0, 1].
    top_5 : float or None
        Share of the images whose true class is among the five most probable ones; None if the classifier
        does not order the classes, or if there are five or fewer.
    log_loss, ece : float or None
        Log-loss, and expected calibration error in [0, 1], of the probabilities as the classifier gives
        them; None if it gives none.
    calibrated_log_loss, calibrated_ece : float or None
        The same after temperature scaling on the other folds.

    Notes
    -----
    Images that are predicted several times count as their mean: 12.4 correct ones are not rounded. This
    concerns all figures but `fold_accuracy` and `disagreements`.
    The interval describes the uncertainty from the choice of test images, not from the choice of
    training images. Predicting an image several times adds no information about other images, so the
    interval counts each image once.

    References
    ----------
    K. H. Brodersen, C. S. Ong, K. E. Stephan and J. M. Buhmann, "The balanced accuracy and its posterior
    distribution", ICPR 2010, for balanced accuracy. See `intervals` for the others.

    """

    name: str
    kind: ResultKind
    backbones: tuple[str, ...]
    untrained: bool
    fold_accuracy: tuple[float, ...]
    accuracy: float
    spread: float | None
    interval_95: Interval
    balanced_accuracy: float
    converged: bool
    fit_on: FitOn | None = None
    gain_interval_95: Interval | None = None
    disagreements: int = 0
    learners: tuple[str, ...] = ()
    views: tuple[str, ...] = ()
    macro_f1: float = 0.0
    top_5: float | None = None
    log_loss: float | None = None
    ece: float | None = None
    calibrated_log_loss: float | None = None
    calibrated_ece: float | None = None


def score(
    name: str,
    kind: ResultKind,
    backbones: Sequence[str],
    folds: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
    *,
    untrained: bool,
    converged: bool,
    fit_on: FitOn | None = None,
    disagreements: int = 0,
    learners: Sequence[str] = (),
    views: Sequence[str] = (),
    images: NDArray[np.int64] | None = None,
    groups: NDArray[np.int64] | None = None,
) -> Result:
    """Compute the accuracy of a classifier from its predictions.

    Parameters
    ----------
    name, kind, backbones, untrained, converged, fit_on, disagreements, learners, views
        Copied to the result, see `Result`.
    folds : sequence of (ndarray, ndarray)
        Predicted and true labels of each fold, a pair of (n_test,) int64 arrays.
    images : ndarray of shape (n_predictions,), int64, or None
        The image of each prediction, fold by fold; None if each is another one.
    groups : ndarray of shape (n_predictions,), int64, or None
        The group of each of these images. With groups, or if some images are predicted more often than
        others, every image counts the same in the accuracy, rather than every fold: folds of groups
        differ in size, and their mean would not lie in the middle of the interval.

    """
    if images is None:
        images = np.arange(sum(len(true) for _, true in folds))
    return Result(
        name=name,
        kind=kind,
        backbones=tuple(backbones),
        untrained=untrained,
        converged=converged,
        fit_on=fit_on,
        disagreements=disagreements,
        learners=tuple(learners),
        views=tuple(views),
        **_figures(folds, images, groups),
    )


def _figures(
    folds: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
    images: NDArray[np.int64],
    groups: NDArray[np.int64] | None,
) -> dict[str, Any]:
    """Return the fields of a `Result` that follow from its predicted and true labels."""
    accuracies = [float(np.mean(predicted == true)) for predicted, true in folds]
    predicted, labels = (np.concatenate(each) for each in zip(*folds, strict=True))
    correct = predicted == labels
    hits, n_images = once_each(correct, images)
    weights = weights_of(images)
    by_image = groups is not None or weights is not None
    return {
        "fold_accuracy": tuple(accuracies),
        "accuracy": float(hits / n_images if by_image else np.mean(accuracies)),
        # One measurement has no standard deviation: 0 would claim perfect agreement.
        "spread": float(np.std(accuracies)) if len(accuracies) > 1 else None,
        "interval_95": accuracy_interval(correct, images, groups),
        "balanced_accuracy": float(
            np.mean([_share(correct, images, labels == label) for label in np.unique(labels)])
        ),
        "macro_f1": macro_f1(labels, predicted, weights),
    }


def _share(correct: NDArray[np.bool_], images: NDArray[np.int64], chosen: NDArray[np.bool_]) -> float:
    hits, n_images = once_each(correct[chosen], images[chosen])
    return float(hits / n_images)


def best_single(results: Sequence[Result]) -> Result:
    """Return the most accurate classifier on a single backbone; the first one of equals."""
    return max((r for r in results if r.kind in ("baseline", "learner")), key=lambda r: r.accuracy)


def with_gain_intervals(
    results: Sequence[Result],
    correct: Sequence[NDArray[np.bool_]],
    images: NDArray[np.int64] | None = None,
    groups: NDArray[np.int64] | None = None,
) -> list[Result]:
    """Add to each result the interval of its gain over the best single backbone.

    Parameters
    ----------
    results : sequence of Result
        The rows of the table.
    correct : sequence of ndarray of shape (n_predicted,), bool
        For each result, whether each prediction is correct, in the same order for all.
    images : ndarray of shape (n_predicted,), int64, or None
        The image of each prediction, which counts once; None if each is another one.
    groups : ndarray of shape (n_predicted,), int64, or None
        The group of each of these images.

    Returns
    -------
    list of Result
        In the same order.

    """
    if images is None:
        images = np.arange(len(correct[0]))
    best = best_single(results)
    (reference,) = (hits for result, hits in zip(results, correct, strict=True) if result is best)
    return [
        result
        if result is best
        else replace(
            result,
            gain_interval_95=gain_interval(hits, reference, images, groups),
        )
        for result, hits in zip(results, correct, strict=True)
    ]
