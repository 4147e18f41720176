"""Confidence intervals for a share of images, and for a difference of shares of the same images."""

from __future__ import annotations

import math
from collections.abc import Callable

from scipy.optimize import brentq
from scipy.special import ndtri

Interval = tuple[float, float]
"""Lower and upper end."""

Z_95 = float(ndtri(0.5 + 0.5 * 0.95))
"""Quantile of the normal distribution for a two-sided 95 % interval."""


def wilson(hits: float, total: int) -> Interval:
    """Return Wilson's 95 % interval for a share.

    Parameters
    ----------
    hits : float
        Number of images that count, from 0 to `total`. A fraction if images are counted in several
        repeats, such as 12.4 for a mean of 12.4 correct images.
    total : int
        Number of images, at least 1.

    Returns
    -------
    tuple of (float, float)
        Both ends, in [0, 1].

    Notes
    -----
    Equals ``scipy.stats.binomtest(hits, total).proportion_ci(method="wilson")``, which accepts whole
    numbers only.

    References
    ----------
    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the
    American Statistical Association 22, 1927, 209-212.

    """
    return _wilson(hits, total, Z_95)


def _wilson(hits: float, total: float, z: float) -> Interval:
    share, z_squared = hits / total, z**2
    denominator = 2 * (total + z_squared)
    center = (2 * total * share + z_squared) / denominator
    half = z / denominator * math.sqrt(4 * total * share * (1 - share) + z_squared)
    # Set exactly at the ends, where rounding could give -1e-17.
    return (center - half if hits > 0 else 0.0, center + half if hits < total else 1.0)


def images_of_width(share: float, width: float) -> float:
    """Return the number of independent images whose Wilson interval would be as wide.

    Parameters
    ----------
    share : float
        In [0, 1].
    width : float
        Upper minus lower end of the 95 % interval, in (0, 1).

    Returns
    -------
    float
        At least 1.

    """
    # The width is z / (n + z^2) * sqrt(4 n share (1 - share) + z^2): a quadratic equation in n.
    z_squared = Z_95**2
    half = z_squared * (width**2 - 2 * share * (1 - share))
    root = math.sqrt(half**2 + width**2 * z_squared**2 * (1 - width**2))
    return max(1.0, (root - half) / width**2)


def wilson_of_variance(
    share: float, variance: float, *, total: float, n_units: int, widening: float = 1.0
) -> Interval:
    """Return Wilson's 95 % interval for a share whose variance is known in another way.

    Parameters
    ----------
    share : float
        In [0, 1].
    variance : float
        Of the share.
    total : float
        Number of images. No more independent ones can count.
    n_units : int
        Number of independent units: images, or groups of images. So many count where the share is 0 or
        1, which has no variance to see.
    widening : float
        Factor of the interval's width.

    Returns
    -------
    tuple of (float, float)
        Both ends, in [0, 1].

    References
    ----------
    N. Dean and M. Pagano, "Evaluating confidence interval methods for binomial proportions in clustered
    surveys", Journal of Survey Statistics and Methodology 3, 2015, 484-503.

    """
    if share in (0.0, 1.0):
        effective = float(n_units)
    else:
        effective = min(float(total), share * (1 - share) / variance) if variance > 0 else float(total)
    return _wilson(share * effective, effective, widening * Z_95)


def tango(only_first: float, only_second: float, total: int) -> Interval:
    """Return Tango's 95 % score interval for a difference of two shares of the same images.

    Parameters
    ----------
    only_first, only_second : float
        Number of images that count for the first and not for the second classifier, and the other way
        round. Fractions if images are counted in several repeats.
    total : int
        Number of images, at least 1.

    Returns
    -------
    tuple of (float, float)
        Both ends of the interval for the first share minus the second share, in [-1, 1].

    Notes
    -----
    It excludes 0 exactly where McNemar's test (without continuity correction) rejects equality at 5 %.
    Unlike Wald's interval, it has a positive width where the classifiers never differ.

    References
    ----------
    T. Tango, "Equivalence test and confidence interval for the difference in proportions for the
    paired-sample design", Statistics in Medicine 17, 1998, 891-908.

    """
    estimate = (only_first - only_second) / total

    def beyond(sign: int) -> Callable[[float], float]:
        return lambda difference: sign * _score(only_first, only_second, total, difference) - Z_95**2

    # The score has the sign of estimate - difference and grows monotonically with their distance.
    low = brentq(beyond(1), -1, estimate) if estimate > -1 else -1.0
    high = brentq(beyond(-1), estimate, 1) if estimate < 1 else 1.0
    return float(low), float(high)


def _score(only_first: float, only_second: float, total: int, difference: float) -> float:
    """Return Tango's squared statistic, with the sign of the observed minus the given difference."""
    deviation = only_first - only_second - total * difference
    if deviation == 0:
        return 0.0
    # The likelihood under this difference is highest where the share of images that count for the
    # second classifier only is the larger root of a quadratic equation.
    half = (only_first + only_second - (2 * total - only_first + only_second) * difference) / 2
    constant = -only_second * difference * (1 - difference)
    share = (half + math.sqrt(max(half**2 - 2 * total * constant, 0.0))) / (2 * total)
    variance = total * (2 * share + difference * (1 - difference))
    return math.copysign(deviation**2 / variance if variance > 0 else math.inf, deviation)
