"""Go through training rows that are not in memory: once, in portions, and keep a few for leaving out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stackkit.api import StoredRows
from stackkit_plugins.shared.linear_learners.class_statistics import ClassStatistics, class_weights
from stackkit_plugins.shared.linear_learners.temperature import can_be_held_out

PORTION_BYTES = 2**25
"""Size of the float32 features that are read at a time."""

LEFT_OUT_BYTES = 2**28
"""Size of the float32 features, or of as many scores, of the rows that are left out to choose a penalty
and a temperature: 52,000 rows of 1,280 features. More would not change what is chosen."""


@dataclass(frozen=True, eq=False)
class RowsInMemory:
    """An array as `StoredRows`."""

    X: NDArray[np.float32]
    labels: NDArray[np.int64]
    groups: NDArray[np.int64] | None = None

    @property
    def n_features(self) -> int:
        """Number of columns."""
        return int(self.X.shape[1])

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Copy some rows."""
        taken: NDArray[np.float32] = self.X[rows]
        return taken


@dataclass(frozen=True, eq=False)
class TransformedRows:
    """Stored rows that go through a function whenever they are read; it keeps their width."""

    rows: StoredRows
    transform: Callable[[NDArray[np.float32]], NDArray[np.float32]]

    @property
    def labels(self) -> NDArray[np.int64]:
        """Labels of all rows."""
        return self.rows.labels

    @property
    def groups(self) -> NDArray[np.int64] | None:
        """Groups of all rows."""
        return self.rows.groups

    @property
    def n_features(self) -> int:
        """Number of features of a row."""
        return self.rows.n_features

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Read and transform some rows."""
        return self.transform(self.rows.read(rows))


def portions(rows: StoredRows) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Yield all rows in order, a portion at a time, each with its slice."""
    size = max(1, PORTION_BYTES // (4 * rows.n_features))
    for start in range(0, len(rows.labels), size):
        stop = min(start + size, len(rows.labels))
        yield slice(start, stop), rows.read(np.arange(start, stop))


@dataclass(frozen=True, kw_only=True, eq=False)
class Summary:
    """What one pass over stored rows gives.

    Attributes
    ----------
    statistics : ClassStatistics
        Of all rows.
    X : ndarray of shape (m, d), float32
        The rows to leave out, one group after the other.
    codes : ndarray of shape (m,)
        Their classes, numbered from 0.
    groups : ndarray of shape (m,) or None
        Their groups.
    judged : ndarray of shape (m,), bool
        Which of them a fit without their group can classify.

    """

    statistics: ClassStatistics
    X: NDArray[np.float32]
    codes: NDArray[np.int64]
    groups: NDArray[np.int64] | None
    judged: NDArray[np.bool_]


def summarised(
    rows: StoredRows,
    classes: NDArray[np.int64],
    codes: NDArray[np.int64],
    class_weight: str | None,
) -> Summary:
    """Read all rows once.

    Parameters
    ----------
    rows : StoredRows
        The training rows.
    classes : ndarray of shape (k,)
        Their labels, ascending.
    codes : ndarray of shape (n,)
        The position of each row's label.
    class_weight : {"balanced"} or None
        See `row_weights`.

    """
    weights = class_weights(np.bincount(codes), class_weight)
    statistics = ClassStatistics(classes, rows.n_features, weights)
    held_out = can_be_held_out(codes, rows.groups)
    limit = LEFT_OUT_BYTES // (4 * max(rows.n_features, len(weights)))
    chosen = rows_to_leave_out(held_out, rows.groups, limit)
    kept = np.empty((len(chosen), rows.n_features), dtype=np.float32)
    for part, X in portions(rows):
        statistics.add(X, codes[part])
        first, last = np.searchsorted(chosen, [part.start, part.stop])
        kept[first:last] = X[chosen[first:last] - part.start]
    return Summary(
        statistics=statistics,
        X=kept,
        codes=codes[chosen],
        groups=None if rows.groups is None else rows.groups[chosen],
        judged=held_out[chosen],
    )


def rows_to_leave_out(
    judged: NDArray[np.bool_], groups: NDArray[np.int64] | None, limit: int
) -> NDArray[np.int64]:
    """Return the numbers of up to `limit` rows, ascending: all that are judged, or a random choice.

    Groups are chosen as a whole, because their rows are left out together.
    """
    random = np.random.default_rng(0)  # a choice that depends on the rows alone
    if groups is None:
        found = np.flatnonzero(judged)
        if len(found) > limit:
            found = np.sort(random.choice(found, limit, replace=False, shuffle=False))
        return found
    names, numbers, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    order = random.permutation(np.unique(numbers[judged]))
    order = order[sizes[order] <= limit]
    taken = np.zeros(len(names), dtype=np.bool_)
    taken[order[np.cumsum(sizes[order]) <= limit]] = True
    return np.flatnonzero(taken[numbers])
