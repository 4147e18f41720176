"""Linear discriminant analysis with a shrunk covariance: one factorisation, nothing iterative."""

from __future__ import annotations

import warnings
from typing import Self

import numpy as np
from numpy.typing import NDArray

from stackkit.api import StoredRows
from stackkit_plugins.lda.covariance import ShrunkCovariance
from stackkit_plugins.lda.left_out import LeftOut
from stackkit_plugins.shared.linear_learners.centred_rows import CentredRows, class_sums
from stackkit_plugins.shared.linear_learners.class_statistics import ClassStatistics, statistics_of
from stackkit_plugins.shared.linear_learners.softmax import SoftmaxClassifier
from stackkit_plugins.shared.linear_learners.stored import summarised
from stackkit_plugins.shared.linear_learners.temperature import calibrated_factor, can_be_held_out
from stackkit_plugins.shared.probabilities import row_weights

Array = NDArray[np.float64]

UNCALIBRATED = 1.0
"""The temperature if no row can be left out."""


class ShrinkageLDA(SoftmaxClassifier):
    """Classes as Gaussians with one covariance, shrunk towards a multiple of the identity.

    Parameters
    ----------
    shrinkage : float
        Share of the identity in the covariance, above 0, at most 1. With 1 it is the nearest mean.
    class_weight : {"balanced"} or None
        "balanced": every class has the same prior probability and the same share in the covariance.
    temperature : float or "auto"
        Probabilities are softmax(discriminants / temperature); above 0. "auto" finds the temperature
        with the highest likelihood of the labels of left-out rows.
    updatable : bool
        Whether to keep what `partial_fit` needs.

    Attributes
    ----------
    coef_ : ndarray of shape (n_classes, n_features), float64
    intercept_ : ndarray of shape (n_classes,), float64
    classes_ : ndarray of shape (n_classes,)
    factor_ : float
        The inverse temperature of the probabilities.
    statistics_ : ClassStatistics
        Of all rows, if `updatable`.

    Notes
    -----
    Predicts as scikit-learn's ``LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage)``, with
    equal `priors` for ``class_weight="balanced"``; ``temperature=1`` gives its probabilities too. With
    about as many features as rows, these are far too sure: the distance to the class's own mean is
    measured on rows that moved this mean and shaped the covariance.

    scikit-learn solves a least-squares problem of (n_features, n_features) by a singular value
    decomposition. Here the matrix is positive definite, so Cholesky's factorisation is enough, and
    with more features than rows the matrix has the size of the rows.

    References
    ----------
    J. H. Friedman, "Regularized discriminant analysis", Journal of the American Statistical
    Association 84, 1989. T. Hastie, R. Tibshirani and J. Friedman, "The elements of statistical
    learning", 2009, section 4.3.

    """

    def __init__(
        self,
        *,
        shrinkage: float = 0.3,
        class_weight: str | None = None,
        temperature: float | str = "auto",
        updatable: bool = False,
    ) -> None:
        self.shrinkage = shrinkage
        self.class_weight = class_weight
        self.temperature = temperature
        self.updatable = updatable

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
        weights = row_weights(codes, self.class_weight)
        if weights is None:
            weights = np.ones(len(codes))
        sizes = np.bincount(codes, weights)
        priors = sizes / len(codes)  # the weights' mean is 1
        means = class_sums(X, codes, weights) / sizes[:, None]
        # Discriminants around the centre of all rows differ from others by the same number for each
        # class, and lose less to rounding: features are not negative, so they are far from 0.
        centre = priors @ means
        directions = (means - centre).T
        rows = CentredRows(X, means, codes, np.sqrt(weights / len(codes)))
        share = 1 - self.shrinkage
        covariance = ShrunkCovariance(
            rows, share, self.shrinkage * _variance(rows.squares(), directions, priors)
        )
        self._solve(covariance, directions, means, centre, priors)
        left_out = LeftOut(
            rows=rows,
            covariance=covariance,
            share=share,
            coefficients=self.coef_,
            directions=directions,
            priors=priors,
            sizes=np.bincount(codes),
        )
        self._calibrate(left_out, groups, can_be_held_out(codes, groups))
        if self.updatable:
            self.statistics_ = statistics_of(X, y)
        return self

    def fit_stored(self, rows: StoredRows) -> Self:
        """Fit to rows that are read once, in memory of (n_features, n_features).

        The temperature is found on left-out rows as by `fit`, up to `LEFT_OUT_BYTES` of them.
        """
        codes = self._number_classes(rows.labels)
        found = summarised(rows, self.classes_, codes, self.class_weight)
        scale = np.sqrt(found.statistics.weights[found.codes] / len(codes))
        kept = CentredRows(found.X, found.statistics.means, found.codes, scale)
        left_out = self._fit_statistics(found.statistics, kept)
        self._calibrate(left_out, found.groups, found.judged)
        return self

    def partial_fit(self, X: NDArray[np.floating], y: NDArray[np.int64]) -> Self:
        """Add X (n_samples, n_features) and y (n_samples,), also of new classes; needs `updatable`.

        The temperature stays, since the rows that it was found on are gone.
        """
        if not hasattr(self, "classes_"):
            return self.fit(X, y)
        statistics = self.statistics_.merged(statistics_of(X, y))
        self.classes_ = statistics.classes
        no_codes = np.empty(0, dtype=np.int64)
        self._fit_statistics(statistics, CentredRows(X[:0], statistics.means, no_codes, np.empty(0)))
        return self

    def _fit_statistics(self, statistics: ClassStatistics, rows: CentredRows) -> LeftOut:
        """Fit, and return how to leave out `rows`."""
        priors, centre, offsets = statistics.spread()
        n, share = statistics.n_rows, 1 - self.shrinkage
        within = float(np.trace(statistics.lower)) / n
        ridge = self.shrinkage * _variance(within, offsets.T, priors)
        covariance = ShrunkCovariance(rows, share, ridge, products=statistics.lower / n)
        self._solve(covariance, offsets.T, statistics.means, centre, priors)
        if self.updatable:
            self.statistics_ = statistics
        return LeftOut(
            rows=rows,
            covariance=covariance,
            share=share,
            coefficients=self.coef_,
            directions=offsets.T,
            priors=priors,
            sizes=statistics.counts,
        )

    def _solve(
        self, covariance: ShrunkCovariance, directions: Array, means: Array, centre: Array, priors: Array
    ) -> None:
        self.coef_ = covariance.solve(directions).T
        middles = (means + centre) / 2
        self.intercept_ = np.log(priors) - np.einsum("kd,kd->k", middles, self.coef_)

    def _calibrate(
        self, left_out: LeftOut, groups: NDArray[np.int64] | None, judged: NDArray[np.bool_]
    ) -> None:
        self.factor_ = calibrated_factor(
            self.temperature,
            lambda: left_out.scores(groups),
            left_out.rows.codes,
            groups,
            otherwise=UNCALIBRATED,
            judged=judged,
        )

    def decision_function(self, X: NDArray[np.floating]) -> NDArray[np.float64]:
        """(n_samples, n_features) -> discriminants, (n_samples, n_classes)."""
        scores: NDArray[np.float64] = X @ self.coef_.T + self.intercept_
        return scores


def _variance(within: float, directions: Array, priors: Array) -> float:
    """Return the mean variance of the features within classes; between them if there is none."""
    if within > 0:
        return within / len(directions)
    warnings.warn(
        "no class has two different images, so lda compares distances to them", UserWarning, stacklevel=3
    )
    return float(np.square(directions).sum(axis=0) @ priors) / len(directions) or 1.0
