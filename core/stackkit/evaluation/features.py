"""Read the features of one backbone from its file, without a copy of the whole matrix in memory."""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

BLOCK_ROWS = 512
"""Rows that are read or copied at a time; bounds the memory for temporary copies."""


@dataclass(frozen=True, kw_only=True)
class Features:
    """Features of one backbone.

    Parameters
    ----------
    label : str
        The backbone's name and options, as users see them.
    trained : bool
        False if the backbone has random weights.
    matrix : ndarray of shape (n_stored, n_features), float32
        All stored rows; may be a view of the memory-mapped file.
    used_rows : ndarray of shape (n_samples,), int64
        The rows of `matrix` that take part in the evaluation. Row numbers everywhere else in this
        package are positions in `used_rows`.

    """

    label: str
    trained: bool
    matrix: NDArray[np.float32]
    used_rows: NDArray[np.int64]

    @classmethod
    def from_matrix(cls, label: str, matrix: NDArray[np.float32], *, trained: bool = True) -> Features:
        """Use every row of a matrix."""
        return cls(label=label, trained=trained, matrix=matrix, used_rows=np.arange(len(matrix)))

    @property
    def width(self) -> int:
        """Number of features per image."""
        return int(self.matrix.shape[1])

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Copy some rows, (n_rows,) int64, into a new (n_rows, n_features) array in Fortran order."""
        # mlxtend's ColumnSelector passes arrays in Fortran order to its learners. BLAS sums products in
        # another order for each memory layout, so with C order the probabilities would differ in their
        # last bits from those of the published recipe, and a few predictions with them.
        taken = np.empty((len(rows), self.width), dtype=self.matrix.dtype, order="F")
        # Block by block, because indexing with an array makes a temporary copy in C order.
        for start in range(0, len(rows), BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
            taken[block] = self.matrix[self.used_rows[rows[block]]]
        _release_pages(self.matrix)
        return taken

    def blocks(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield all used rows in order, a few at a time, each block with the number of its first row."""
        for start in range(0, len(self.used_rows), BLOCK_ROWS):
            yield start, self.matrix[self.used_rows[start : start + BLOCK_ROWS]]

    @cached_property
    def digest(self) -> str:
        """BLAKE2b digest of all used rows; names cached fits, so other features get other fits."""
        digest = hashlib.blake2b(f"{self.matrix.dtype.str} {self.width}".encode(), digest_size=16)
        for _, block in self.blocks():
            digest.update(np.ascontiguousarray(block).data)
        return digest.hexdigest()

    def first_nonfinite(self) -> int | None:
        """Return the first row with a NaN or infinite feature, or None."""
        for start, block in self.blocks():
            finite = np.isfinite(block).all(axis=1)
            if not finite.all():
                return start + int(np.argmin(finite))
        return None

    def is_constant(self) -> bool:
        """Return whether all images have the same features."""
        first = self.matrix[self.used_rows[0]]
        return all(bool((block == first).all()) for _, block in self.blocks())


def _release_pages(matrix: NDArray[np.float32]) -> None:
    """Release the pages of a memory-mapped file, which otherwise count as this process's memory.

    The kernel reads them again on the next access. Without this, the files of all backbones would stay
    in memory until the end of the run.
    """
    base: object = matrix
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)
