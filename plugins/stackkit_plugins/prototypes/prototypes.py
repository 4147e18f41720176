"""Compare images with the mean direction of each class: a classifier for few images per class."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import normalize
from sklearn.utils import gen_batches

from stackkit_plugins.shared.linear_learners.centred_rows import class_sums
from stackkit_plugins.shared.linear_learners.softmax import SoftmaxClassifier
from stackkit_plugins.shared.linear_learners.temperature import calibrated_factor

UNCALIBRATED = 0.1
"""The temperature if no row can be left out."""

_CHUNK_ROWS = 1024


class CosinePrototypes(SoftmaxClassifier):
    """A class is the mean direction of its rows; a row's scores are its cosines with them.

    Parameters
    ----------
    temperature : float or "auto"
        Probabilities are softmax(cosines / temperature); above 0. "auto" finds the temperature with
        the highest likelihood of the labels of rows that are left out of their class's mean.

    Attributes
    ----------
    prototypes_ : ndarray of shape (n_classes, n_features), float64
        Rows of length 1.
    factor_ : float
        The inverse of the temperature.
    classes_ : ndarray of shape (n_classes,)

    Notes
    -----
    Every class has one prototype whatever its size, so there is no `class_weight`.

    References
    ----------
    J. Snell, K. Swersky and R. Zemel, "Prototypical networks for few-shot learning", NIPS 2017.
    Y. Wang, W.-L. Chao, K. Q. Weinberger and L. van der Maaten, "SimpleShot: revisiting
    nearest-neighbor classification for few-shot learning", 2019.

    """

    def __init__(self, *, temperature: float | str = "auto") -> None:
        self.temperature = temperature

    def fit(
        self,
        X: NDArray[np.floating],
        y: NDArray[np.int64],
        groups: NDArray[np.int64] | None = None,
    ) -> Self:
        """Fit to X of shape (n_samples, n_features), and y of shape (n_samples,).

        Rows with the same number in `groups`, (n_samples,), are left out together.
        """
        codes = self._number_classes(y)
        rows = _directions(X)
        self.prototypes_ = normalize(class_sums(rows, codes))
        self.factor_ = calibrated_factor(
            self.temperature,
            lambda: cosines_left_out(rows, codes, groups),
            codes,
            groups,
            otherwise=UNCALIBRATED,
        )
        return self

    def decision_function(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        """(n_samples, n_features) -> cosines, (n_samples, n_classes)."""
        cosines: NDArray[np.float64] = _directions(X) @ self.prototypes_.T
        return cosines


def _directions(X: NDArray[np.floating]) -> NDArray[np.float64]:
    directions: NDArray[np.float64] = normalize(X.astype(np.float64), copy=False)
    return directions


def cosines_left_out(
    rows: NDArray[np.float64], codes: NDArray[np.int64], groups: NDArray[np.int64] | None = None
) -> NDArray[np.float64]:
    """Compare each row with prototypes that are made without the row's group.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        Of length 1.
    codes : ndarray of shape (n,)
        Their classes, numbered from 0.
    groups : ndarray of shape (n,) or None
        Rows with the same number are left out together; None: each row alone.

    Returns
    -------
    ndarray of shape (n, n_classes)
        Cosines; 0 with a class that has no rows in other groups.

    """
    _, groups = np.unique(np.arange(len(codes)) if groups is None else groups, return_inverse=True)
    # A part is what a group has of one class; sums without it need one subtraction.
    (of_group, of_class), part = np.unique(np.stack([groups, codes]), axis=1, return_inverse=True)
    sums, parts = class_sums(rows, codes), class_sums(rows, part.ravel())
    lengths = np.linalg.norm(sums[of_class] - parts, axis=1)
    # Without the only group of a class, nothing is left but rounding errors.
    lengths[(np.bincount(of_class)[of_class] == 1) | (lengths == 0)] = np.inf
    cosines: NDArray[np.float64] = rows @ normalize(sums).T
    first = np.searchsorted(of_group, groups)
    count = np.bincount(of_group)[groups]
    for chunk in gen_batches(len(rows), _CHUNK_ROWS):
        # All pairs of a row and a part of its group: one for each row unless groups mix classes.
        i = np.repeat(np.arange(len(rows))[chunk], count[chunk])
        offsets = np.arange(len(i)) - np.searchsorted(i, i)
        p = first[i] + offsets
        without = sums[of_class[p]] - parts[p]
        cosines[i, of_class[p]] = np.einsum("ij,ij->i", rows[i], without) / lengths[p]
    return cosines
