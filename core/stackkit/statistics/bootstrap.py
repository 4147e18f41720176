"""Draw the images again, to see how much a figure depends on which images were tested."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stackkit.statistics.intervals import Interval
from stackkit.statistics.units import DRAWS, Units, blocks, units_of


def resampled(units: Units, *, draws: int = DRAWS, seed: int = 0) -> NDArray[np.float64]:
    """Return the accuracies of all rows on bootstrap samples of the images, or of groups of them.

    Parameters
    ----------
    units : Units
        The images, or groups, that are drawn; see `units_of`.
    draws : int
        Number of bootstrap samples.
    seed : int
        Of the random numbers; the same seed gives the same samples, in any order of the images.

    Returns
    -------
    ndarray of shape (draws, n_rows), float64
        In [0, 1]. All rows of the table see the same images in a draw, so differences of two columns are
        those of a paired bootstrap.

    References
    ----------
    B. Efron and R. Tibshirani, "An introduction to the bootstrap", 1993, chapters 6 and 13. For groups:
    C. A. Field and A. H. Welsh, "Bootstrapping clustered data", Journal of the Royal Statistical Society
    B 69, 2007, 369-390.

    """
    # Units with the same answers of all rows are interchangeable. The number of times that each kind is
    # drawn follows a multinomial distribution: a few kinds instead of 300,000 images.
    kinds, counts = units.kinds()
    random = np.random.default_rng(seed)
    found = np.empty((draws, units.hits.shape[1]))
    for part in blocks(draws, len(kinds.sizes)):
        drawn = random.multinomial(counts.sum(), counts / counts.sum(), size=part.stop - part.start)
        found[part] = (drawn @ kinds.hits) / (drawn @ kinds.sizes)[:, np.newaxis]
    return found


def percentile_interval(samples: NDArray[np.float64], *, widening: float = 1.0) -> Interval:
    """Return the 95 % percentile interval of bootstrap samples of one figure.

    Parameters
    ----------
    samples : ndarray of shape (draws,), float64
        The figure in each bootstrap sample.
    widening : float
        Factor of the distance of both ends from the mean.

    Notes
    -----
    The plain interval covers less than it promises where few units vary; see `cluster_interval` and
    `difference_interval`.

    References
    ----------
    B. Efron and R. Tibshirani, "An introduction to the bootstrap", 1993, section 13.3.

    """
    mean = float(samples.mean())
    low, high = (mean + widening * (float(end) - mean) for end in np.quantile(samples, (0.025, 0.975)))
    return low, high


def cluster_interval(
    correct: NDArray[np.float64],
    groups: NDArray[np.int64],
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> Interval:
    """Return a 95 % interval for an accuracy where images come in groups.

    Parameters
    ----------
    correct : ndarray of shape (n,), float64
        Share of right answers about each image, in [0, 1].
    groups : ndarray of shape (n,), int64
        Images with the same number belong together.
    draws, seed
        As for `resampled`.

    Returns
    -------
    tuple of (float, float)
        Both ends, in [0, 1].

    Raises
    ------
    ValueError
        If there are no images, or if the number of groups is another one.

    Notes
    -----
    Groups are drawn whole. The variance over the bootstrap samples says how many independent images
    would tell as much; the interval is Wilson's for so many, with the quantile of Student's distribution
    for the number of groups that cause the variance. In simulations with 10 to 50 groups, percentiles of
    the samples cover the true accuracy in 81 % to 90 % of cases instead of 95 %.

    References
    ----------
    C. A. Field and A. H. Welsh, "Bootstrapping clustered data", Journal of the Royal Statistical Society
    B 69, 2007, 369-390. N. Dean and M. Pagano, "Evaluating confidence interval methods for binomial
    proportions in clustered surveys", Journal of Survey Statistics and Methodology 3, 2015, 484-503.

    """
    units = units_of(np.asarray(correct, dtype=np.float64)[:, np.newaxis], groups)
    samples = resampled(units, draws=draws, seed=seed)[:, 0]
    return units.interval_of(0, float(units.accuracies[0]), float(samples.var()))


def difference_interval(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    *,
    groups: NDArray[np.int64] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Interval:
    """Return a 95 % interval for the difference of two accuracies on the same images.

    Parameters
    ----------
    first, second : ndarray of shape (n,), float64
        Share of right answers of each row about the same images, in [0, 1].
    groups, draws, seed
        As for `resampled`.

    Returns
    -------
    tuple of (float, float)
        Both ends of the interval for the first accuracy minus the second, in [-1, 1].

    Raises
    ------
    ValueError
        If there are no images, or if the number of groups is another one.

    Notes
    -----
    A paired bootstrap over images, or groups as in `cluster_interval`, with two changes. First, two
    images (or groups) are added, one that only the first row gets right and one that only the second
    gets right, as Bonett and Price (2012) do for another interval. Then the percentiles are widened as
    Student's distribution is wider than the normal one. Without both, the interval covers the true
    difference in 68 % to 92 % of simulations in which the rows differ on fewer than ten images.

    References
    ----------
    B. Efron and R. Tibshirani, "An introduction to the bootstrap", 1993, section 13.3. D. G. Bonett and
    R. M. Price, "Adjusted Wald confidence interval for a difference of binomial proportions based on
    paired data", Journal of Educational and Behavioral Statistics 37, 2012, 479-488.

    """
    units = units_of(np.column_stack([first, second]).astype(np.float64), groups)
    # The same samples for both directions, so that the interval of the reverse is its mirror image.
    if units.accuracies[0] < units.accuracies[1]:
        low, high = difference_interval(second, first, groups=groups, draws=draws, seed=seed)
        return -high, -low
    samples = resampled(units.with_opposites(0, 1), draws=draws, seed=seed)
    low, high = percentile_interval(samples[:, 0] - samples[:, 1], widening=units.widening)
    return max(-1.0, low), min(1.0, high)
