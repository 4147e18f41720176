"""Minimise the objective of logistic regression with preconditioned L-BFGS, and prove how well."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit_plugins.shared.linear_solvers.design import Preconditioner
from stackkit_plugins.shared.linear_solvers.lbfgs import LBFGS, Point
from stackkit_plugins.shared.linear_solvers.objective import LogisticObjective

Array = NDArray[Any]

# The next three decide only which curvature the preconditioner assumes, and so the number of
# iterations, not the result. Tuned on features of photographs and of CUB-200-2011's size with C from
# 0.01 to 1e4; half or twice these values costs about 10 % more iterations.
_INITIAL_TRACE = 40.0  # initially: trace of c X'X, in units of the penalty
_CURVATURE_SHARE = 1 / 8  # later: share of the mean p (1 - p), since few rows are uncertain
_REFRESH_AT = (10, 20, 40, 80)  # iterations after which the curvature is measured again
# Steps without a smaller gap after which only rounding errors are left; keyed by `Design.exact`.
# float64 gets more patience, because nothing more precise can take over.
_PATIENCE = {False: 20, True: 200}
_TINY = float(np.finfo(np.float64).tiny)


class Minimiser:
    """Finds the minimum of an objective, for one penalty after another.

    Parameters
    ----------
    objective : LogisticObjective
    proof : bool
        Whether the gap must be computed in float64 at the end.
    reuse : float
        Ratio of curvature to penalty, up to which a factorisation serves another ratio; at least 1.

    """

    def __init__(self, objective: LogisticObjective, *, proof: bool = True, reuse: float = 1.0) -> None:
        self.objective, self.proof, self.reuse = objective, proof, reuse
        self._search = LBFGS(objective.evaluate)
        self._gram = objective.design.gram(objective.weights)
        self._kept: tuple[float, Preconditioner] | None = None

    def change_penalty(self, penalty: float) -> None:
        """Set the objective's penalty, and correct what the search has learned about curvature."""
        weights = np.zeros((len(self._gram) + 1, 1))
        weights[:-1] = penalty - self.objective.penalty  # intercepts have no penalty
        self._search.add_quadratic(weights)
        self.objective.penalty = penalty

    def minimise(self, start: Array, target: float, max_iter: int) -> tuple[Array, float, int]:
        """Return the model, its relative gap and the number of iterations.

        Computes in float32 until that improves nothing, then continues in float64.
        """
        objective, design = self.objective, self.objective.design
        point, iterations = self._search.start(start), 0
        precondition = self._preconditioner(point)
        gaps = [objective.gap(point)]
        while True:
            following = None
            # The gap does not fall at every step. If many steps have not lowered it, only rounding
            # errors are left.
            idle = len(gaps) - 1 - gaps.index(min(gaps))
            if gaps[-1] > target and idle < _PATIENCE[design.exact]:
                if iterations == max_iter:
                    break
                if iterations in _REFRESH_AT:
                    precondition = self._preconditioner(point)
                following = self._search.step(point, precondition)
                iterations += following is not None
            if following is None:
                if design.exact or (gaps[-1] <= target and not self.proof):
                    break
                # Converged or stuck in float32: the proof counts in float64 only.
                design.exact = True
                following, gaps = self._search.start(point.x), []
            point = following
            gaps.append(objective.gap(point))
        return point.x, gaps[-1], iterations

    def _preconditioner(self, point: Point) -> Preconditioner:
        """Return an approximate inverse Hessian for a point."""
        objective = self.objective
        curvature = _CURVATURE_SHARE * point.facts.curvature
        if not point.x.any():
            # At zero every p is 1 / n_classes and p (1 - p) large; after a few steps most rows are
            # certain. What is measured here would be a far too large curvature.
            trace = max(float(np.trace(self._gram)), _TINY)
            curvature = min(1 / objective.n_classes, _INITIAL_TRACE * objective.penalty / trace)
        curvature = max(curvature, _TINY)
        # Only this ratio matters: the search finds the scale itself. Factorising costs as much as many
        # iterations if there are more features than rows of a class.
        ratio = curvature / objective.penalty
        if self._kept is None or not 1 / self.reuse < ratio / self._kept[0] < self.reuse:
            factor = Preconditioner(self._gram, objective.design.total, objective.penalty, curvature)
            self._kept = ratio, factor
        return self._kept[1]
