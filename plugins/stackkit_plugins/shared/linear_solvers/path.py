"""Follow the solution of a logistic regression from strong to weak regularisation, cheaply."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from stackkit_plugins.shared.linear_solvers.design import Design
from stackkit_plugins.shared.linear_solvers.minimiser import Minimiser
from stackkit_plugins.shared.linear_solvers.objective import LogisticObjective
from stackkit_plugins.shared.linear_solvers.row_space import row_space

Array = NDArray[Any]

# A factorisation of the second moments serves neighbouring values of C, at hardly more iterations.
_REUSE = 2.0


class LogisticPath:
    """Approximate minima for one C after another, each found from those before.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), float32 or float64
    truth : ndarray of shape (n_samples,)
        Classes, numbered from 0; at least two of them.
    weights : ndarray of shape (n_samples,), float64
        Weights of the rows.
    fit_intercept : bool
    gap : float
        The objective may be this share above its minimum.
    max_iter : int
        Maximum number of iterations for each C.

    Notes
    -----
    What does not depend on C is computed once: the rows' space and the second moments of the
    features. Solutions change smoothly with log C, so a search starts where the line through the
    last two solutions leads, if values of C are equally spaced in log C; and it keeps what it has
    learned about curvature. Together they halve the iterations of warm starts alone.

    References
    ----------
    For predicting the next solution: E. L. Allgower and K. Georg, "Numerical continuation methods",
    1990. For paths of regularised models: S. Rosset, "Following curved regularized optimization
    solution paths", NIPS 2004; J. Friedman, T. Hastie and R. Tibshirani, "Regularization paths for
    generalized linear models via coordinate descent", Journal of Statistical Software 33, 2010.

    """

    def __init__(
        self,
        X: Array,
        truth: Array,
        *,
        weights: Array,
        fit_intercept: bool,
        gap: float,
        max_iter: int,
    ) -> None:
        rows, _, self._back = row_space(X)
        n_classes = int(truth.max()) + 1
        self._objective = LogisticObjective(
            design=Design(rows, weights, fit_intercept=fit_intercept),
            truth=truth,
            weights=weights,
            C=1.0,
            n_classes=n_classes,
        )
        self._minimiser = Minimiser(self._objective, proof=False, reuse=_REUSE)
        self._last = self._before = np.zeros((rows.shape[1] + 1, n_classes))
        self._target, self._max_iter = gap, max_iter

    def follow(self, C: float) -> tuple[Array, Array, int]:
        """Find the solution for the next C.

        Returns
        -------
        coefficients : ndarray of shape (n_classes, n_features)
        intercepts : ndarray of shape (n_classes,)
        iterations : int
            Those of this C alone.

        """
        self._minimiser.change_penalty(self._objective.penalty_of(C))
        start = 2 * self._last - self._before
        model, gap, iterations = self._minimiser.minimise(start, self._target, self._max_iter)
        if not gap <= self._target:
            warnings.warn(
                f"the search of C stopped at C={C:g} after {iterations} iterations; the objective may "
                f"be a share {gap:.1e} above its minimum, but at most {self._target:.1e} is allowed: "
                "raise max_iter",
                ConvergenceWarning,
                stacklevel=2,
            )
        self._before, self._last = self._last, model
        coefficients, intercepts = self._objective.design.original(model)
        return self._back(coefficients), intercepts, iterations
