"""Read the features of one backbone from its files, without a copy of a whole matrix in memory."""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from stackkit.store.joined_rows import JoinedRows

BLOCK_ROWS = 512
"""Rows that are read or copied at a time; bounds the memory for temporary copies."""


@dataclass(frozen=True, kw_only=True)
class Features:
    """Features of one backbone, in one matrix per view of the images.

    Parameters
    ----------
    label : str
        The backbone's name and options, as users see them.
    trained : bool
        False if the backbone has random weights.
    matrices : tuple of ndarray, each of shape (n_stored, n_features), float32
        All stored rows of each view, the whole image first; may be views of memory-mapped files, or
        `JoinedRows` of several.
    used_rows : ndarray of shape (n_samples,), int64
        The rows of each matrix that take part in the evaluation. Row numbers everywhere else in this
        package are positions in `used_rows`.

    """

    label: str
    trained: bool
    matrices: tuple[NDArray[np.float32] | JoinedRows, ...]
    used_rows: NDArray[np.int64]

    @classmethod
    def from_matrix(cls, label: str, matrix: NDArray[np.float32], *, trained: bool = True) -> Features:
        """Use every row of a matrix, which describes whole images."""
        return cls.from_matrices(label, [matrix], trained=trained)

    @classmethod
    def from_matrices(
        cls, label: str, matrices: Sequence[NDArray[np.float32] | JoinedRows], *, trained: bool = True
    ) -> Features:
        """Use every row of the matrices, one matrix per view; row i of each describes image i."""
        used_rows = np.arange(len(matrices[0]))
        return cls(label=label, trained=trained, matrices=tuple(matrices), used_rows=used_rows)

    @property
    def width(self) -> int:
        """Number of features per image, the same for every view."""
        return int(self.matrices[0].shape[1])

    @property
    def n_views(self) -> int:
        """Number of views; 1 if there are only whole images."""
        return len(self.matrices)

    def take(self, rows: NDArray[np.int64], view: int = 0) -> NDArray[np.float32]:
        """Copy some rows, (n_rows,) int64, into a new (n_rows, n_features) array in Fortran order."""
        taken = self._new_array(len(rows))
        self._copy(rows, view, taken)
        return taken

    def take_all_views(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Copy some rows of every view, one view after the other, each in the order of `rows`.

        Parameters
        ----------
        rows : ndarray of shape (n_rows,), int64
            Rows to copy.

        Returns
        -------
        ndarray of shape (n_views * n_rows, n_features)
            A new array in Fortran order.

        """
        taken = self._new_array(self.n_views * len(rows))
        for view in range(self.n_views):
            self._copy(rows, view, taken[view * len(rows) : (view + 1) * len(rows)])
        return taken

    def take_average(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the mean of the views of some rows, (n_rows, n_features), in Fortran order."""
        if self.n_views == 1:
            return self.take(rows)
        taken = self._new_array(len(rows))
        # Block by block, because indexing with an array makes a temporary copy in C order.
        for start in range(0, len(rows), BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
            stored = self.used_rows[rows[block]]
            taken[block] = np.mean([matrix[stored] for matrix in self.matrices], axis=0)
        for matrix in self.matrices:
            _release_pages(matrix)
        return taken

    def _new_array(self, count: int) -> NDArray[np.float32]:
        # mlxtend's ColumnSelector passes arrays in Fortran order to its learners. BLAS sums products in
        # another order for each memory layout, so with C order the probabilities would differ in their
        # last bits from those of the published recipe, and a few predictions with them.
        return np.empty((count, self.width), dtype=self.matrices[0].dtype, order="F")

    def _copy(self, rows: NDArray[np.int64], view: int, target: NDArray[np.float32]) -> None:
        matrix = self.matrices[view]
        # Block by block, because indexing with an array makes a temporary copy in C order.
        for start in range(0, len(rows), BLOCK_ROWS):
            block = slice(start, start + BLOCK_ROWS)
            target[block] = matrix[self.used_rows[rows[block]]]
        _release_pages(matrix)

    def blocks(self, view: int = 0) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield all used rows in order, a few at a time, each block with the number of its first row."""
        matrix = self.matrices[view]
        for start in range(0, len(self.used_rows), BLOCK_ROWS):
            block = matrix[self.used_rows[start : start + BLOCK_ROWS]]
            _release_pages(matrix)
            yield start, block

    @cached_property
    def digest(self) -> str:
        """BLAKE2b digest of all used rows; names cached fits, so other features get other fits."""
        digest = hashlib.blake2b(digest_size=16)
        for view, matrix in enumerate(self.matrices):
            # The header separates the views, and that of a single view is the one of earlier versions.
            digest.update(f"{matrix.dtype.str} {self.width}".encode())
            for _, block in self.blocks(view):
                digest.update(np.ascontiguousarray(block).data)
        return digest.hexdigest()

    def first_nonfinite(self) -> tuple[int, int] | None:
        """Return the first view with a NaN or infinite feature and its first such row, or None."""
        for view in range(self.n_views):
            for start, block in self.blocks(view):
                finite = np.isfinite(block).all(axis=1)
                if not finite.all():
                    return view, start + int(np.argmin(finite))
        return None

    def is_constant(self) -> bool:
        """Return whether all images have the same features, in every view."""
        return all(
            bool((block == matrix[self.used_rows[0]]).all())
            for view, matrix in enumerate(self.matrices)
            for _, block in self.blocks(view)
        )


def _release_pages(matrix: NDArray[np.floating] | JoinedRows) -> None:
    """Release the pages of a memory-mapped file, which otherwise count as this process's memory.

    The kernel reads them again on the next access. Without this, the files of all backbones would stay
    in memory until the end of the run.
    """
    if isinstance(matrix, JoinedRows):
        for part in matrix.parts:
            _release_pages(part)
        return
    base: object = matrix
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)
