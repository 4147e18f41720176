"""Ridge regression on the classes: every held-out value comes from one decomposition."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from stackkit.api import StoredRows
from stackkit_plugins.ridge.spectrum import Spectrum, spectrum_of_rows, spectrum_of_statistics
from stackkit_plugins.shared.linear_learners.centred_rows import CentredRows, class_sums
from stackkit_plugins.shared.linear_learners.class_statistics import ClassStatistics, statistics_of
from stackkit_plugins.shared.linear_learners.softmax import SoftmaxClassifier
from stackkit_plugins.shared.linear_learners.stored import summarised
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
    updatable : bool
        Whether to keep what `partial_fit` needs.

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
    statistics_ : ClassStatistics
        Of all rows, if `updatable`.

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
        updatable: bool = False,
    ) -> None:
        self.alpha = alpha
        self.class_weight = class_weight
        self.temperature = temperature
        self.updatable = updatable

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
        targets = self._targets(codes)
        every = np.zeros(len(codes), dtype=np.int64)
        centre = class_sums(X, every, weights) / len(codes)  # the weights' mean is 1
        middle = weights @ targets / len(codes)
        rows = CentredRows(X, centre, every, np.sqrt(weights))
        spectrum = spectrum_of_rows(rows, rows.scale[:, None] * (targets - middle))
        judged = can_be_held_out(codes, groups)
        self._choose(spectrum, _Known(rows.scale, targets, codes, groups, judged), len(codes))
        self.coef_ = spectrum.coefficients(rows, self.alpha_).T
        self.intercept_ = middle - self.coef_ @ centre[0]
        if self.updatable:
            self.statistics_ = statistics_of(X, y)
        return self

    def fit_stored(self, rows: StoredRows) -> Self:
        """Fit to rows that are read once, in memory of (n_features, n_features).

        The penalty and the temperature are selected on left-out rows as by `fit`, up to
        `LEFT_OUT_BYTES` of them.
        """
        codes = self._number_classes(rows.labels)
        found = summarised(rows, self.classes_, codes, self.class_weight)
        statistics, targets = found.statistics, self._targets(found.codes)
        shares, centre, _ = statistics.spread()
        scale = np.sqrt(statistics.weights[found.codes])
        kept = CentredRows(found.X, centre[None], np.zeros(len(scale), dtype=np.int64), scale)
        spectrum = spectrum_of_statistics(statistics, kept, scale[:, None] * (targets - _middle(shares)))
        known = _Known(scale, targets, found.codes, found.groups, found.judged)
        self._choose(spectrum, known, len(codes))
        self._solve(spectrum, statistics)
        return self

    def partial_fit(self, X: NDArray[np.floating], y: NDArray[np.int64]) -> Self:
        """Add X (n_samples, n_features) and y (n_samples,), also of new classes; needs `updatable`.

        The penalty and the temperature stay, since the rows that they were selected on are gone.
        """
        if not hasattr(self, "classes_"):
            return self.fit(X, y)
        statistics = self.statistics_.merged(statistics_of(X, y))
        self.classes_ = statistics.classes
        nothing = CentredRows(X[:0], statistics.means, np.empty(0, dtype=np.int64), np.empty(0))
        targets = np.empty((0, len(self.classes_)))
        self._solve(spectrum_of_statistics(statistics, nothing, targets), statistics)
        return self

    def _solve(self, spectrum: Spectrum, statistics: ClassStatistics) -> None:
        shares, centre, _ = statistics.spread()
        self.coef_ = spectrum.solution(self.alpha_).T
        self.intercept_ = _middle(shares) - self.coef_ @ centre
        if self.updatable:
            self.statistics_ = statistics

    def _targets(self, codes: NDArray[np.int64]) -> Array:
        return np.where(codes[:, None] == np.arange(len(self.classes_)), 1.0, -1.0)

    def _choose(self, spectrum: Spectrum, known: _Known, n_rows: int) -> None:
        """Set `alpha_`, `losses_` and `factor_` by rows that are left out."""
        self.losses_ = {}
        self.alpha_ = length = float(spectrum.eigenvalues.sum()) / n_rows or 1.0
        if self.alpha != "auto":
            self.alpha_ = float(self.alpha)
        elif known.judged.any():
            for penalty in (length * step for step in PATH):
                errors = spectrum.left_out(penalty, known.scale, known.groups)[known.judged]
                self.losses_[penalty] = float(np.square(errors).mean())
            # Losses are in descending order of penalties, and `min` returns the first: the strongest.
            self.alpha_ = min(self.losses_, key=self.losses_.__getitem__)
        self.factor_ = calibrated_factor(
            self.temperature,
            lambda: known.targets - spectrum.left_out(self.alpha_, known.scale, known.groups),
            known.codes,
            known.groups,
            otherwise=UNCALIBRATED,
            judged=known.judged,
        )

    def decision_function(self, X: NDArray[np.floating]) -> Array:
        """(n_samples, n_features) -> (n_samples, n_classes), 1 for a class and -1 for others."""
        scores: Array = X @ self.coef_.T + self.intercept_
        return scores


class _Known(NamedTuple):
    """Rows that can be left out: all, or a choice of them.

    `scale` (m,) are the roots of their weights, `targets` (m, n_classes) are 1 or -1, and `judged` (m,)
    tells which of them count.
    """

    scale: Array
    targets: Array
    codes: NDArray[np.int64]
    groups: NDArray[np.int64] | None
    judged: NDArray[np.bool_]


def _middle(shares: Array) -> Array:
    """Return the mean target of each class, (n_classes,), from its share of the rows."""
    return 2 * shares - 1
