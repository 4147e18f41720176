"""What `ridge` and `lda` need to know of their training rows: counts and means of classes, one scatter.

Everything else follows from these, so rows can be read once and forgotten, more rows can be added later,
and the statistics of two halves make those of the whole.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import dsyrk

Array = NDArray[np.float64]


class ClassStatistics:
    """Counts and means of classes, and the scatter of rows around the mean of their class.

    Parameters
    ----------
    classes : ndarray of shape (k,), int64
        Labels, ascending.
    n_features : int
        d.
    weights : ndarray of shape (k,), float64, or None
        What a row of each class counts; None: 1 each.

    Attributes
    ----------
    counts : ndarray of shape (k,), int64
        Rows of each class.
    means : ndarray of shape (k, d), float64
        Means of the classes.
    sizes : ndarray of shape (k,), float64
        Rows of each class times what they count.

    Notes
    -----
    Rows enter as differences to means of their class, never as squares of themselves, so nothing cancels
    however far from 0 the features are: the update of Chan, Golub and LeVeque, for blocks and classes.

    References
    ----------
    T. F. Chan, G. H. Golub and R. J. LeVeque, "Algorithms for computing the sample variance: analysis
    and recommendations", The American Statistician 37, 1983.

    """

    def __init__(
        self, classes: NDArray[np.int64], n_features: int, weights: Array | None = None
    ) -> None:
        self.classes = classes
        self.weights = np.ones(len(classes)) if weights is None else weights
        self.counts = np.zeros(len(classes), dtype=np.int64)
        self.means = np.zeros((len(classes), n_features))
        # Of a symmetric matrix BLAS computes one triangle, half the work; here the lower one.
        self._lower = np.zeros((n_features, n_features), order="F")

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return int(self.counts.sum())

    @property
    def sizes(self) -> Array:
        """(k,) rows of each class times what they count."""
        return self.weights * self.counts

    @property
    def lower(self) -> Array:
        """(d, d) weighted scatter within classes, of which only the lower triangle is filled in."""
        return self._lower

    def add(self, X: NDArray[np.floating], codes: NDArray[np.int64]) -> None:
        """Add rows, (m, d), and the positions of their classes, (m,)."""
        if not len(X):
            return
        order = np.argsort(codes, kind="stable")
        present, starts, counts = np.unique(codes[order], return_index=True, return_counts=True)
        rows = X[order].astype(np.float64)
        means = np.add.reduceat(rows, starts, axis=0) / counts[:, None]
        rows -= np.repeat(means, counts, axis=0)
        if (self.weights != 1).any():
            rows *= np.sqrt(np.repeat(self.weights[present], counts))[:, None]
        # The only row of its class in this portion is its mean: with many classes most rows are.
        rows = rows[np.repeat(counts > 1, counts)] if (counts == 1).any() else rows
        self._join(present, counts, means, rows)

    def _join(
        self, codes: NDArray[np.int64], counts: NDArray[np.int64], means: Array, rows: Array
    ) -> None:
        """Add classes with their counts (m,) and means (m, d); `rows` are what else is scattered."""
        before = self.counts[codes]
        together = before + counts
        moves = means - self.means[codes]
        self.means[codes] += moves * (counts / together)[:, None]
        self.counts[codes] = together
        moves *= np.sqrt(self.weights[codes] * before * (counts / together))[:, None]
        for part in (rows, moves):
            if len(part):
                self._lower = dsyrk(1.0, part.T, beta=1.0, c=self._lower, lower=1, overwrite_c=1)

    def merged(self, other: ClassStatistics) -> ClassStatistics:
        """Return the statistics of both sets of rows; both must count each row once."""
        if not all(np.all(each.weights == 1) for each in (self, other)):
            raise ValueError("statistics of weighted rows cannot be merged: weights depend on all rows")
        d = self.means.shape[1]
        if other.means.shape[1] != d:
            raise ValueError(f"expected features of shape (n, {d}), got {other.means.shape[1]} columns")
        whole = ClassStatistics(np.union1d(self.classes, other.classes), d)
        for part in (self, other):
            codes = np.searchsorted(whole.classes, part.classes)
            whole._join(codes, part.counts, part.means, np.empty((0, d)))
            whole._lower += part.lower
        return whole

    def spread(self) -> Spread:
        """Return the parts of the scatter around the centre of all rows."""
        shares = self.sizes / self.sizes.sum()
        centre = shares @ self.means
        return Spread(shares, centre, self.means - centre)


class Spread(NamedTuple):
    """Where classes are.

    Attributes
    ----------
    shares : ndarray of shape (k,)
        Their shares of the rows, weighted.
    centre : ndarray of shape (d,)
        Weighted mean of all rows.
    offsets : ndarray of shape (k, d)
        Means of classes minus the centre.

    """

    shares: Array
    centre: Array
    offsets: Array


def statistics_of(X: NDArray[np.floating], y: NDArray[np.int64], portion: int = 8192) -> ClassStatistics:
    """Return the statistics of rows in memory, (n, d), with labels (n,), each counting once."""
    classes, codes = np.unique(y, return_inverse=True)
    found = ClassStatistics(classes, X.shape[1])
    for start in range(0, len(X), portion):
        found.add(X[start : start + portion], codes[start : start + portion])
    return found


def class_weights(counts: NDArray[np.int64], class_weight: str | None) -> Array:
    """Return what a row of each class counts, (k,): those of `row_weights`, by class."""
    if class_weight is None:
        return np.ones(len(counts))
    weights: Array = counts.sum() / (len(counts) * counts)
    return weights
