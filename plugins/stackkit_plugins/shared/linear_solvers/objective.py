"""The objective of multinomial logistic regression: value, gradient and distance from the minimum."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stackkit_plugins.shared.linear_solvers.design import Design
from stackkit_plugins.shared.linear_solvers.lbfgs import Point

Array = NDArray[Any]

_TINY = float(np.finfo(np.float64).tiny)


class Facts(NamedTuple):
    """What an evaluation returns beside the gradient.

    `curvature` is the weighted mean of p (1 - p) over rows and classes; `residuals` (n, n_classes)
    are weight * (p - truth).
    """

    objective: float
    curvature: float
    residuals: Array


class LogisticObjective:
    """The objective, sum of weight * log-loss + penalty / 2 * |coefficients|^2.

    A model has shape (d + 1, n_classes); its last row are the intercepts of centred features.
    """

    def __init__(
        self, *, design: Design, truth: Array, weights: Array, C: float, n_classes: int
    ) -> None:
        self.design, self.truth, self.weights = design, truth, weights
        self.n_classes = n_classes
        self.penalty = self.penalty_of(C)
        self._each = np.arange(len(truth))

    def penalty_of(self, C: float) -> float:
        """Return the penalty for scikit-learn's inverse regularisation strength.

        For two classes scikit-learn has one coefficient vector v. Here they have -v/2 and v/2, with
        half the sum of squares; twice the penalty gives the same problem.
        """
        return (2 if self.n_classes == 2 else 1) / C

    def evaluate(self, model: Array) -> tuple[Array, Facts]:
        """Return the gradient, (d + 1, n_classes), and `Facts`."""
        # One array of shape (n, n_classes) is reused for scores, probabilities and residuals: it is
        # the largest of the fit. Sums are accumulated in float64, where float32 would lose digits.
        residuals = self.design.scores(model)
        residuals -= residuals.max(axis=1, keepdims=True)
        own = residuals[self._each, self.truth].astype(np.float64)
        np.exp(residuals, out=residuals)
        sums = residuals.sum(axis=1, dtype=np.float64)
        loss = float(self.weights @ (np.log(sums) - own))
        residuals /= sums[:, None].astype(residuals.dtype)
        uncertain = 1 - np.einsum("ik,ik->i", residuals, residuals, dtype=np.float64)
        residuals[self._each, self.truth] -= 1
        residuals *= self.weights[:, None].astype(residuals.dtype)
        gradient = self.design.transposed(residuals)
        gradient[:-1] += self.penalty * model[:-1]
        return gradient, Facts(
            objective=loss + self.penalty / 2 * float(np.vdot(model[:-1], model[:-1])),
            curvature=float(self.weights @ uncertain) / (self.design.total * self.n_classes),
            residuals=residuals,
        )

    def gap(self, point: Point) -> float:
        """Return an upper bound of the relative distance of the objective from its minimum.

        The dual objective at the model's probabilities is the primal one minus |g|^2 / (2 penalty)
        if the gradient of the intercepts is zero. It is only nearly zero, so half its Newton
        decrement g' H^-1 g is added.
        """
        slopes, constants = point.gradient[:-1], point.gradient[-1]
        gap = float(np.vdot(slopes, slopes)) / (2 * self.penalty)
        if constants.any():
            p = point.facts.residuals / self.weights[:, None].astype(point.facts.residuals.dtype)
            p[self._each, self.truth] += 1
            hessian = np.diag(self.weights @ p) - (p * self.weights[:, None]).T @ p
            # Adding the same number to all intercepts changes no probability. The Hessian is singular
            # in that direction, and a gradient there is rounding error.
            constants = constants - constants.mean()
            hessian[np.diag_indices(self.n_classes)] += max(1e-10 * float(np.trace(hessian)), _TINY)
            # Where all rows are classified with certainty, the Hessian is zero or rounding error. Its
            # decrement may overflow, which proves nothing, or be negative: that must not count, since
            # it would cancel the first term and prove anything.
            with np.errstate(over="ignore", invalid="ignore"):
                decrement = float(constants @ np.linalg.solve(hessian, constants))
            if not decrement < 0:  # nan counts: it is a proof of nothing
                gap += decrement / 2
        # A float64 sum cannot prove more than its own rounding error.
        return max(gap / float(point.facts.objective), float(np.finfo(np.float64).eps))
