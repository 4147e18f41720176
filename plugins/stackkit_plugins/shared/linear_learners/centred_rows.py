"""Products of centred rows in float64, without a float64 copy of all features."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import gen_batches

_BLOCK = 1024


class CentredRows:
    """R, whose row i is ``scale[i] * (X[i] - centres[codes[i]])``.

    Parameters
    ----------
    X : ndarray of shape (n, d), float32 or float64
        Features; never copied as a whole.
    centres : ndarray of shape (n_centres, d), float64
        What is subtracted, such as the means of the classes.
    codes : ndarray of shape (n,)
        Each row's centre.
    scale : ndarray of shape (n,), float64
        Each row's factor, such as the root of its weight.

    """

    def __init__(
        self,
        X: NDArray[np.floating],
        centres: NDArray[np.float64],
        codes: NDArray[np.int64],
        scale: NDArray[np.float64],
    ) -> None:
        self.X, self.centres, self.codes, self.scale = X, centres, codes, scale

    @property
    def is_wide(self) -> bool:
        """Whether RR', (n, n), is smaller than R'R, (d, d)."""
        n, d = self.X.shape
        return bool(n < d)

    def column_products(self) -> NDArray[np.float64]:
        """Return R'R, (d, d)."""
        products = np.zeros((self.X.shape[1],) * 2)
        for _, block in self.blocks():
            products += block.T @ block
        return products

    def row_products(self) -> NDArray[np.float64]:
        """Return RR', (n, n)."""
        products = np.zeros((self.X.shape[0],) * 2)
        for columns in gen_batches(self.X.shape[1], _BLOCK):
            block = self.X[:, columns] - self.centres[self.codes, columns]
            block *= self.scale[:, None]
            products += block @ block.T
        return products

    def squares(self) -> float:
        """Return the sum of the squares of R."""
        return sum(float(np.vdot(block, block)) for _, block in self.blocks())

    def times(self, right: NDArray[np.float64]) -> NDArray[np.float64]:
        """(d, m) -> R @ right, (n, m)."""
        product = np.empty((len(self.X), right.shape[1]))
        for rows, block in self.blocks():
            np.matmul(block, right, out=product[rows])
        return product

    def transposed_times(self, right: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, m) -> R' @ right, (d, m)."""
        product = np.zeros((self.X.shape[1], right.shape[1]))
        for rows, block in self.blocks():
            product += block.T @ right[rows]
        return product

    def blocks(self) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """Yield slices of rows with these rows of R."""
        for rows in gen_batches(len(self.X), _BLOCK) if len(self.X) else ():
            block = self.X[rows] - self.centres[self.codes[rows]]
            block *= self.scale[rows, None]
            yield rows, block


def class_sums(
    X: NDArray[np.floating], codes: NDArray[np.int64], weights: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """Add up the rows of each class: (n, d) features and (n,) codes -> (n_classes, d)."""
    sums = np.zeros((int(codes.max()) + 1, X.shape[1]))
    for rows in gen_batches(len(X), _BLOCK):
        # A matrix product with one column for each class of the block: many times faster than np.add.at
        present, local = np.unique(codes[rows], return_inverse=True)
        members = (local == np.arange(len(present))[:, None]).astype(np.float64)
        if weights is not None:
            members *= weights[rows]
        sums[present] += members @ X[rows].astype(np.float64)
    return sums
