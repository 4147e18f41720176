"""Rows of several files as one matrix: nothing is copied until rows are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


class JoinedRows:
    """Matrices one below the other, read by row numbers as a NumPy array would be.

    Parameters
    ----------
    parts : sequence of ndarray, each of shape (n_i, d), float32 or float16
        The matrices, mostly memory-mapped files.

    Attributes
    ----------
    shape : tuple of int
        (n, d), n being the sum of all n_i.
    dtype : numpy.dtype
        float32; rows of float16 are converted when they are read.

    """

    dtype = np.dtype(np.float32)

    def __init__(self, parts: Sequence[NDArray[np.floating]]) -> None:
        self.parts = tuple(parts)
        self.starts = np.cumsum([0, *map(len, self.parts)])
        self.shape = (int(self.starts[-1]), int(self.parts[0].shape[1]))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: int | slice | NDArray[np.integer]) -> NDArray[np.float32]:
        """Return a row (d,), or a copy (k, d) of some rows, float32 in C order."""
        if isinstance(rows, slice):
            return self._copied(np.arange(*rows.indices(len(self))))
        if np.ndim(rows) == 0:
            row: NDArray[np.float32] = self._copied(np.array([rows]))[0]
            return row
        return self._copied(np.asarray(rows))

    def __array__(
        self, dtype: np.dtype[Any] | None = None, copy: bool | None = None
    ) -> NDArray[np.float32]:
        """Return a copy of all rows, (n, d)."""
        whole = self[:]
        return whole if dtype is None else whole.astype(dtype)

    def _copied(self, rows: NDArray[np.integer]) -> NDArray[np.float32]:
        rows = np.where(rows < 0, rows + len(self), rows)
        if rows.size and not (rows.min() >= 0 and rows.max() < len(self)):
            raise IndexError(f"rows must be below {len(self)}, got {rows.min()} to {rows.max()}")
        copied = np.empty((len(rows), self.shape[1]), dtype=np.float32)
        owners = np.searchsorted(self.starts, rows, side="right") - 1
        for owner in np.unique(owners).tolist():
            chosen = owners == owner
            copied[chosen] = self.parts[owner][rows[chosen] - self.starts[owner]]
        return copied
