"""Draw the images again, to see how much a figure depends on which images were tested."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stackkit.statistics.intervals import Interval

DRAWS = 2000
"""Bootstrap samples: the ends of a 95 % interval then rest on 50 samples each."""

NUMBERS_AT_ONCE = 4_000_000
"""Counts that are held in memory at a time: 32 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """What is drawn together: single images, or groups of images that belong together.

    Parameters
    ----------
    hits : ndarray of shape (n_units, n_rows), float64
        Correct images of each unit, for each row of the table; fractions where images are predicted in
        several repeats.
    sizes : ndarray of shape (n_units,), float64
        Images of each unit.

    """

    hits: NDArray[np.float64]
    sizes: NDArray[np.float64]


def units_of(correct: NDArray[np.float64], groups: NDArray[np.int64] | None) -> Units:
    """Return images or groups as units, in an order that does not depend on the order of the images.

    Parameters
    ----------
    correct : ndarray of shape (n, n_rows), float64
        Share of right answers about each image, in [0, 1], for each row of the table.
    groups : ndarray of shape (n,), int64, or None
        Images with the same number belong together.

    Raises
    ------
    ValueError
        If there are no images, or another number of groups.

    """
    correct = np.asarray(correct, dtype=np.float64)
    if correct.ndim != 2 or not len(correct):
        raise ValueError(f"correct must have one row per image, at least 1, got shape {correct.shape}")
    hits, sizes = correct, np.ones(len(correct))
    if groups is not None:
        if len(groups) != len(correct):
            raise ValueError(f"expected {len(correct)} groups, one per image, got {len(groups)}")
        _, place = np.unique(groups, return_inverse=True)
        sizes = np.bincount(place).astype(np.float64)
        hits = np.column_stack([np.bincount(place, weights=column) for column in correct.T])
    # Rounded, since sums of fractions depend on the order of the images in the last bit.
    hits = np.round(hits, 9)
    order = np.lexsort((*hits.T, sizes))
    return Units(hits=hits[order], sizes=sizes[order])


def resampled(
    correct: NDArray[np.float64],
    *,
    groups: NDArray[np.int64] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Return the accuracies of all rows on bootstrap samples of the images.

    Parameters
    ----------
    correct : ndarray of shape (n, n_rows), float64
        Share of right answers about each image, in [0, 1], for each row of the table: 0 or 1, or a mean
        over repeats.
    groups : ndarray of shape (n,), int64, or None
        Images with the same number belong together and are drawn together.
    draws : int
        Number of bootstrap samples.
    seed : int
        Of the random numbers; the same seed gives the same samples, in any order of the images.

    Returns
    -------
    ndarray of shape (draws, n_rows), float64
        In [0, 1]. All rows of the table see the same images in a draw, so differences of two columns are
        those of a paired bootstrap.

    Raises
    ------
    ValueError
        If there are no images, or another number of groups than images.

    Notes
    -----
    Images (or groups) with the same answers of all rows are interchangeable, so the number of times that
    each kind is drawn follows a multinomial distribution, which is drawn from directly.

    References
    ----------
    B. Efron and R. Tibshirani, "An introduction to the bootstrap", 1993, chapters 6 and 13. For groups:
    C. A. Field and A. H. Welsh, "Bootstrapping clustered data", Journal of the Royal Statistical Society
    B 69, 2007, 369-390.

    """
    units = units_of(correct, groups)
    both = np.column_stack([units.hits, units.sizes])
    kinds, counts = np.unique(both, axis=0, return_counts=True)
    random = np.random.default_rng(seed)
    found = np.empty((draws, kinds.shape[1] - 1))
    for part in blocks(draws, len(kinds)):
        drawn = random.multinomial(len(both), counts / len(both), size=part.stop - part.start) @ kinds
        found[part] = drawn[:, :-1] / drawn[:, -1:]
    return found


def blocks(draws: int, width: int) -> Iterator[slice]:
    """Yield slices of the draws, so that `width` numbers for each of them fit into memory."""
    step = max(1, NUMBERS_AT_ONCE // max(1, width))
    for start in range(0, draws, step):
        yield slice(start, min(start + step, draws))


def percentile_interval(samples: NDArray[np.float64]) -> Interval:
    """Return the 95 % percentile interval of bootstrap samples of one figure, shape (draws,).

    References
    ----------
    B. Efron and R. Tibshirani, "An introduction to the bootstrap", 1993, section 13.3.

    """
    low, high = np.quantile(samples, (0.025, 0.975))
    return float(low), float(high)


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

    """
    column = np.asarray(correct, dtype=np.float64)[:, np.newaxis]
    return percentile_interval(resampled(column, groups=groups, draws=draws, seed=seed)[:, 0])
