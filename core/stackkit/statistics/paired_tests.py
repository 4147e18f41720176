"""Test whether two rows of the table differ by more than chance, on the same images."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

from stackkit.statistics.intervals import Interval

EXACT_BELOW = 25
"""With fewer images that tell two rows apart, McNemar's test is exact; its approximation is poor."""


def mcnemar(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    *,
    groups: NDArray[np.int64] | None = None,
) -> float:
    """Return the two-sided p of McNemar's test that two rows are right equally often.

    Parameters
    ----------
    first, second : ndarray of shape (n,), float64
        Share of right answers of each row about the same images, in [0, 1]: 0 or 1, or a mean over
        repeats. An image counts for the row that is right about it more often; it counts once.
    groups : ndarray of shape (n,), int64, or None
        Images with the same number belong together and are one piece of evidence.

    Returns
    -------
    float
        In [0, 1]; 1 if the rows never differ.

    Notes
    -----
    Exact (binomial) if fewer than `EXACT_BELOW` images tell the rows apart, else chi-squared with
    Edwards' continuity correction. Computed by scipy: mlxtend's function, which has the same results,
    imports matplotlib, which would double the time that a short run takes to start.

    With groups, the test is Durkalski's: the squared sum of the groups' differences over the sum of
    their squares, chi-squared with one degree of freedom. If fewer than `EXACT_BELOW` groups tell the
    rows apart, each group counts once in the exact test, for the row that is right in it more often.

    References
    ----------
    Q. McNemar, "Note on the sampling error of the difference between correlated proportions or
    percentages", Psychometrika 12, 1947, 153-157. V. L. Durkalski, Y. Y. Palesch, S. R. Lipsitz and
    P. F. Rust, "Analysis of clustered matched-pair data", Statistics in Medicine 22, 2003, 2417-2428.

    """
    of_images = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    differences = _differences(of_images, groups)
    only_first, only_second = int((differences > 0).sum()), int((differences < 0).sum())
    if only_first + only_second == 0:
        return 1.0
    if groups is not None and only_first + only_second >= EXACT_BELOW:
        z = abs(float(differences.sum())) / math.sqrt(float((differences**2).sum()))
        return math.erfc(z / math.sqrt(2))
    return _mcnemar_of_counts(only_first, only_second)


def _differences(
    of_images: NDArray[np.float64], groups: NDArray[np.int64] | None
) -> NDArray[np.float64]:
    """Return the difference of both rows on each image, or summed over each group."""
    found = of_images
    if groups is not None:
        _, place = np.unique(groups, return_inverse=True)
        found = np.bincount(place, weights=of_images).astype(np.float64)
    # Sums of fractions such as 1/3 + 1/3 - 2/3 are 0, whatever rounding makes of them.
    return np.round(found, 9)


def _mcnemar_of_counts(only_first: int, only_second: int) -> float:
    from scipy.stats import binomtest, chi2  # here, because importing it takes a while

    n = only_first + only_second
    if n < EXACT_BELOW:
        return float(binomtest(only_first, n).pvalue)
    return float(chi2.sf((abs(only_first - only_second) - 1) ** 2 / n, 1))


def corrected_t(
    differences: Sequence[float] | NDArray[np.float64], n_train: float, n_test: float
) -> tuple[Interval, float]:
    """Return interval and p of the corrected resampled t-test.

    Parameters
    ----------
    differences : sequence of float
        Accuracy of the first row minus that of the second one in each test part: every fold of every
        repeat. At least 2.
    n_train, n_test : float
        Images that are trained on and tested in one of them; means if they differ.

    Returns
    -------
    interval : tuple of (float, float)
        95 % interval for the mean difference.
    p : float
        Two-sided, in [0, 1].

    Raises
    ------
    ValueError
        For fewer than 2 differences.

    Notes
    -----
    Training parts overlap, so the differences are not independent; the usual t-test would take repeats
    for new data. The correction adds n_test / n_train to the factor 1 / n of their variance.

    Differences of accuracies are multiples of 1 / n_test. A spread below this rounding cannot be
    measured, so the standard deviation counts as at least that of rounding, n_test^-1 / sqrt(12).

    References
    ----------
    C. Nadeau and Y. Bengio, "Inference for the generalization error", Machine Learning 52, 2003,
    239-281. R. R. Bouckaert and E. Frank, "Evaluating the replicability of significance tests for
    comparing learning algorithms", PAKDD 2004, for repeated cross-validation.

    """
    found = np.asarray(differences, dtype=np.float64)
    if len(found) < 2:
        raise ValueError(f"the corrected t-test takes at least 2 differences, got {len(found)}")
    mean, freedom = float(found.mean()), len(found) - 1
    variance = max(float(found.var(ddof=1)), 1 / (12 * n_test**2))
    error = math.sqrt((1 / len(found) + n_test / n_train) * variance)
    half = float(stdtrit(freedom, 0.975)) * error
    return (mean - half, mean + half), min(1.0, 2 * float(stdtr(freedom, -abs(mean) / error)))


def holm(ps: Sequence[float] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Return p-values corrected for being several, in the same order.

    Parameters
    ----------
    ps : sequence of float
        p-values of one family of comparisons, in [0, 1].

    Returns
    -------
    ndarray of shape (len(ps),), float64
        In [0, 1], and never below `ps`. Rejecting where they are at most 5 % claims any false
        difference in at most 5 % of all families.

    References
    ----------
    S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
    Statistics 6, 1979, 65-70.

    """
    given = np.asarray(ps, dtype=np.float64)
    order = np.argsort(given, kind="stable")
    stepped = np.maximum.accumulate(given[order] * np.arange(len(given), 0, -1))
    found = np.empty(len(given))
    found[order] = np.minimum(stepped, 1.0)
    return found
