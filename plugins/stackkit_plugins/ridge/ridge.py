"""Ridge regression on the classes: every held-out value comes from one decomposition."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from stackkit_plugins.shared.linear_learners.centred_rows import CentredRows, class_sums
from stackkit_plugins.shared.linear_learners.softmax import SoftmaxClassifier
from stackkit_plugins.shared.linear_learners.temperature import calibrated_factor, can_be_held_out
from stackkit_plugins.shared.probabilities import row_weights

Array = NDArray[np.float64]

PATH = tuple(10.0 ** (step / 2) for step in range(8, -9, -1))
"""Penalties from 10,000 to 0.0001, two per decade, in units of the rows' mean squared length."""

UNCALIBRATED = 0.2
"""The temperature if no row can be left out."""


class RidgeLeaveOneOut(SoftmaxClassifier):
    """Least squares on targets of 1 for the true class and -1 for others, with a squared penalty.

    Parameters
    ----------
    alpha : float or "auto"
        The penalty, above 0; "auto" selects it by the error of rows that are left out.
    class_weight : {"balanced"} or None
        "balanced": weight rows by the inverse frequency of their class.
    temperature : float or "auto"
        Probabilities are softmax(scores / temperature); above 0. "auto" finds the temperature with
        the highest likelihood of the labels of left-out rows.

    Attributes
    ----------
    alpha_ : float
        The penalty; of equals the strongest.
    losses_ : dict of float to float
        Mean squared error of the rows left out for every penalty that was tried.
    factor_ : float
        The inverse temperature of the probabilities.
    coef_ : ndarray of shape (n_classes, n_features), float64
    intercept_ : ndarray of shape (n_classes,), float64
    classes_ : ndarray of shape (n_classes,)

    Notes
    -----
    The residual of a row that a fit has not seen is its residual r divided by 1 - h, with h the row's
    diagonal element of the matrix that maps targets to fitted values. For a group of rows that are
    left out together, it is (I - H)^-1 r with the group's block H. So all rows are left out, for all
    penalties, after a single eigendecomposition of the smaller one of XX' and X'X.

    With groups of one row it selects and predicts as scikit-learn's ``RidgeClassifierCV`` with the
    same `alphas`, which has no groups and no probabilities.

    References
    ----------
    D. M. Allen, "The relationship between variable selection and data augmentation and a method for
    prediction", Technometrics 16, 1974. R. Rifkin and R. Lippert, "Notes on regularized least
    squares", MIT-CSAIL-TR-2007-025.

    """

    def __init__(
        self,
        *,
        alpha: float | str = "auto",
        class_weight: str | None = None,
        temperature: float | str = "auto",
    ) -> None:
        self.alpha = alpha
        self.class_weight = class_weight
        self.temperature = temperature

    def fit(
        self,
        X: NDArray[np.floating],
        y: NDArray[np.int64],
        groups: NDArray[np.int64] | None = None,
    ) -> Self:
        """Select the penalty, and fit to X (n_samples, n_features) and y (n_samples,).

        Rows with the same number in `groups`, (n_samples,), are left out together.
        """
        codes = self._number_classes(y)
        weights = row_weights(codes, self.class_weight)
        if weights is None:
            weights = np.ones(len(codes))
        targets = np.where(codes[:, None] == np.arange(len(self.classes_)), 1.0, -1.0)
        every = np.zeros(len(codes), dtype=np.int64)
        centre = class_sums(X, every, weights) / len(codes)  # the weights' mean is 1
        middle = weights @ targets / len(codes)
        rows = CentredRows(X, centre, every, np.sqrt(weights))
        spectrum = _decompose(rows, rows.scale[:, None] * (targets - middle))
        self._select_alpha(spectrum, rows.scale, can_be_held_out(codes, groups), groups)
        self.factor_ = calibrated_factor(
            self.temperature,
            lambda: targets - spectrum.left_out(self.alpha_, rows.scale, groups),
            codes,
            groups,
            otherwise=UNCALIBRATED,
        )
        self.coef_ = spectrum.coefficients(rows, self.alpha_).T
        self.intercept_ = middle - self.coef_ @ centre[0]
        return self

    def _select_alpha(
        self,
        spectrum: _Spectrum,
        scale: Array,
        judged: NDArray[np.bool_],
        groups: NDArray[np.int64] | None,
    ) -> None:
        """Set `alpha_` and `losses_`; `judged` are the rows that count."""
        self.losses_ = {}
        if self.alpha != "auto":
            self.alpha_ = float(self.alpha)
            return
        length = float(spectrum.eigenvalues.sum()) / len(judged) or 1.0
        for penalty in (length * step for step in PATH) if judged.any() else ():
            errors = spectrum.left_out(penalty, scale, groups)[judged]
            self.losses_[penalty] = float(np.square(errors).mean())
        # Losses are in descending order of penalties, and `min` returns the first: the strongest.
        self.alpha_ = min(self.losses_, key=self.losses_.__getitem__, default=length)

    def decision_function(self, X: NDArray[np.floating]) -> Array:
        """(n_samples, n_features) -> (n_samples, n_classes), 1 for a class and -1 for others."""
        scores: Array = X @ self.coef_.T + self.intercept_
        return scores


class _Spectrum(NamedTuple):
    """Weighted, centred rows R = U S V' and targets T, in the basis where penalties are diagonal.

    `eigenvalues` (r,) are the squares of S, `vectors` U if R is wide, else V; `rows` (n, r) are U S,
    `projected` (r, n_classes) S U' T and `targets` T.
    """

    eigenvalues: Array
    vectors: Array
    rows: Array
    projected: Array
    targets: Array

    def coefficients(self, rows: CentredRows, penalty: float) -> Array:
        """Return the solution, (d, n_classes)."""
        inverse = 1 / (self.eigenvalues + penalty)
        if not rows.is_wide:
            solution: Array = self.vectors @ (inverse[:, None] * self.projected)
            return solution
        inside = self.vectors @ (inverse[:, None] * (self.vectors.T @ self.targets))
        return rows.transposed_times(inside)

    def left_out(self, penalty: float, scale: Array, groups: NDArray[np.int64] | None) -> Array:
        """Return target minus prediction, (n, n_classes), by fits without the row's group."""
        inverse = 1 / (self.eigenvalues + penalty)
        residuals = self.targets - self.rows @ (inverse[:, None] * self.projected)
        constant = scale / np.linalg.norm(scale)  # the intercept's part of the hat matrix
        own = np.square(self.rows) @ inverse + np.square(constant)
        errors = residuals / np.maximum(1 - own, np.finfo(np.float64).eps)[:, None]
        for members in _shared(groups):
            part = self.rows[members]
            hat = (part * inverse) @ part.T + np.outer(constant[members], constant[members])
            errors[members] = np.linalg.lstsq(
                np.eye(len(members)) - hat, residuals[members], rcond=None
            )[0]
        errors /= scale[:, None]
        return errors


def _decompose(rows: CentredRows, targets: Array) -> _Spectrum:
    products = rows.row_products() if rows.is_wide else rows.column_products()
    eigenvalues, vectors = eigh(products, overwrite_a=True, check_finite=False)
    eigenvalues = np.maximum(eigenvalues, 0)  # rounding can make those of dependent rows negative
    rotated = vectors * np.sqrt(eigenvalues) if rows.is_wide else rows.times(vectors)
    return _Spectrum(eigenvalues, vectors, rotated, rotated.T @ targets, targets)


def _shared(groups: NDArray[np.int64] | None) -> list[NDArray[np.int64]]:
    """Return the rows of each group that has more than one."""
    if groups is None:
        return []
    order = np.argsort(groups, kind="stable")
    edges = np.flatnonzero(np.diff(groups[order])) + 1
    return [members for members in np.split(order, edges) if len(members) > 1]
