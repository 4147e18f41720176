"""Scores of class probabilities and of predicted labels; arrays only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stackkit.statistics.intervals import Interval, wilson

BINS = 15
"""Bins of equal width for the expected calibration error, as in Guo et al. (2017)."""

TINY = 1e-12
"""Probabilities below count as this one, so that log-loss is finite."""

Weights = NDArray[np.float64] | None
"""How much each prediction counts; None if all count the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityBin:
    """Answers of similar confidence, and how many of them are right.

    Parameters
    ----------
    low, high : float
        Confidence is above `low` and at most `high`.
    count : int
        Number of answers, at least 1.
    confidence : float
        Their mean confidence.
    accuracy : float
        Share of right answers.
    interval_95 : tuple of (float, float)
        Wilson's interval of the accuracy.

    """

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float
    interval_95: Interval


def log_loss(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Return the mean negative logarithm of the true class's probability."""
    return mean_log_loss(probabilities[np.arange(len(labels)), labels])


def mean_log_loss(of_true: NDArray[np.floating], weights: Weights = None) -> float:
    """Return the log-loss from the probability of the true class of each prediction, shape (n,)."""
    logarithms = np.log(np.maximum(np.asarray(of_true, dtype=np.float64), TINY))
    return float(-np.average(logarithms, weights=weights))


def expected_calibration_error(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Return the mean distance of confidence and accuracy; see `calibration_error`."""
    return calibration_error(probabilities.max(axis=1), probabilities.argmax(axis=1) == labels)


def calibration_error(
    confidence: NDArray[np.floating], correct: NDArray[np.bool_], weights: Weights = None
) -> float:
    """Return the mean distance of confidence and accuracy, from 0 to 1, over bins of confidence.

    Parameters
    ----------
    confidence : ndarray of shape (n,)
        Probability of the predicted class of each prediction, in [0, 1].
    correct : ndarray of shape (n,), bool
        Whether it is right.
    weights : ndarray of shape (n,), float64, or None
        How much each prediction counts; None if all count the same.

    Notes
    -----
    The `BINS` bins have equal width from 0 to 1, and each counts by its number of images, as in Guo et
    al. (2017), equation 3. With few images the error is above 0 even for perfect probabilities, because
    the accuracy in a bin varies by chance.

    """
    sure = np.asarray(confidence, dtype=np.float64)
    gaps = sure - correct if weights is None else weights * (sure - correct)
    total = len(correct) if weights is None else weights.sum()
    return float(np.abs(np.bincount(_bins(sure), weights=gaps, minlength=BINS)).sum() / total)


def reliability_bins(
    confidence: NDArray[np.floating], correct: NDArray[np.bool_]
) -> tuple[ReliabilityBin, ...]:
    """Return the bins of a reliability diagram, ascending; those without answers are left out.

    Parameters
    ----------
    confidence, correct
        As for `calibration_error`, which is the mean distance of confidence and accuracy over the bins.

    References
    ----------
    A. Niculescu-Mizil and R. Caruana, "Predicting good probabilities with supervised learning",
    ICML 2005, for the diagram.

    """
    sure = np.asarray(confidence, dtype=np.float64)
    bins = _bins(sure)
    return tuple(
        ReliabilityBin(
            low=number / BINS,
            high=(number + 1) / BINS,
            count=int(inside.sum()),
            confidence=float(sure[inside].mean()),
            accuracy=float(correct[inside].mean()),
            interval_95=wilson(int(correct[inside].sum()), int(inside.sum())),
        )
        for number in np.unique(bins).tolist()
        for inside in (bins == number,)
    )


def _bins(confidence: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the number of each answer's bin; bins are open below, ((i - 1) / BINS, i / BINS]."""
    numbers: NDArray[np.int64] = np.maximum(np.ceil(confidence * BINS).astype(np.int64) - 1, 0)
    return numbers.clip(max=BINS - 1)


def macro_f1(
    true: NDArray[np.integer], predicted: NDArray[np.integer], weights: Weights = None
) -> float:
    """Return the mean over the classes of the F1 score, in [0, 1].

    Parameters
    ----------
    true, predicted : ndarray of shape (n,), int
        Labels, at least 0. Classes that are in neither do not count.
    weights : ndarray of shape (n,), float64, or None
        As for `calibration_error`.

    Notes
    -----
    Equals ``sklearn.metrics.f1_score(true, predicted, average="macro")``.

    References
    ----------
    C. D. Manning, P. Raghavan and H. Schütze, "Introduction to information retrieval", 2008, chapters
    8.3 and 13.6.

    """
    size = 1 + int(max(true.max(), predicted.max()))
    right, of_true, of_predicted = (
        np.bincount(labels[chosen], None if weights is None else weights[chosen], minlength=size)
        for labels, chosen in ((true, true == predicted), (true, slice(None)), (predicted, slice(None)))
    )
    occurs = of_true + of_predicted > 0
    return float(np.mean(2 * right[occurs] / (of_true + of_predicted)[occurs]))


def top_k(ranks: NDArray[np.integer], k: int, weights: Weights = None) -> float:
    """Return the share of images whose true class is among the `k` most probable ones.

    Parameters
    ----------
    ranks : ndarray of shape (n,), int
        Number of classes that are more probable than the true one; 0 is right.
    k : int
        At least 1.
    weights : ndarray of shape (n,), float64, or None
        As for `calibration_error`.

    """
    return float(np.average(np.asarray(ranks) < k, weights=weights))
