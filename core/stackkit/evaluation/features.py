"""Features of one backbone, read where they lie."""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

BLOCK_ROWS = 512
"""Rows that are looked at or copied at a time, which bounds what is in memory twice."""


@dataclass(frozen=True, kw_only=True)
class Features:
    """Features of one backbone under the label users see.

    `matrix` (m, d) float32 may be a view into the store's file; `kept` (n,) are the rows of it
    that count, and all row numbers elsewhere are positions in `kept`.
    """

    label: str
    trained: bool
    matrix: NDArray[np.float32]
    kept: NDArray[np.int64]

    @classmethod
    def of(cls, label: str, matrix: NDArray[np.float32], *, trained: bool = True) -> Features:
        """A matrix of which every row counts."""
        return cls(label=label, trained=trained, matrix=matrix, kept=np.arange(len(matrix)))

    @property
    def width(self) -> int:
        """Number of features per image."""
        return int(self.matrix.shape[1])

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """(len(rows), d), a copy in Fortran order, as mlxtend's ColumnSelector hands rows to a learner.

        BLAS multiplies the two layouts by a vector in different orders, and probabilities that
        differ in their last bits would be another recipe.
        """
        taken = np.empty((len(rows), self.width), dtype=self.matrix.dtype, order="F")
        for start in range(0, len(rows), BLOCK_ROWS):
            part = slice(start, start + BLOCK_ROWS)
            taken[part] = self.matrix[self.kept[rows[part]]]
        _let_go(self.matrix)
        return taken

    def blocks(self) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """All rows that count, in order, a few at a time, each with the number of its first."""
        for start in range(0, len(self.kept), BLOCK_ROWS):
            yield start, self.matrix[self.kept[start : start + BLOCK_ROWS]]

    @cached_property
    def digest(self) -> str:
        """BLAKE2b over all rows that count: what was computed of these features is of no others."""
        found = hashlib.blake2b(f"{self.matrix.dtype.str} {self.width}".encode(), digest_size=16)
        for _, block in self.blocks():
            found.update(np.ascontiguousarray(block).data)
        return found.hexdigest()

    def unusable(self) -> int | None:
        """The first row with a NaN or an infinite feature, None if there is none."""
        for start, block in self.blocks():
            usable = np.isfinite(block).all(axis=1)
            if not usable.all():
                return start + int(np.argmin(usable))
        return None

    def is_constant(self) -> bool:
        """Whether every image has the same features, so that nothing can be learned from them."""
        first = self.matrix[self.kept[0]]
        return all(bool((block == first).all()) for _, block in self.blocks())


def _let_go(matrix: NDArray[np.float32]) -> None:
    """Let the pages of a file that is mapped leave this process; they are read again when looked at."""
    base: object = matrix
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        base.madvise(mmap.MADV_DONTNEED)
