"""Minimise a convex function by its gradients alone, since its values are too noisy to compare."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# Ten pairs of steps and gradient changes are a usual size of the memory; each pair costs two arrays
# of the model's size.
_HISTORY = 10
_MAX_EVALUATIONS = 20
# Curvature condition of the line search: accept a slope between -0.9 and 0.9 times the initial one.
_CURVATURE = 0.9


class Point(NamedTuple):
    """A position of the search.

    `gradient` is the function's gradient at `x`; `facts` is what `evaluate` returned beside it.
    """

    x: Array
    gradient: Array
    facts: Any


class LBFGS:
    """L-BFGS with an exchangeable preconditioner.

    Parameters
    ----------
    evaluate : callable
        Maps x to the gradient at x and any further facts, which are kept in `Point.facts`.

    Notes
    -----
    The line search compares slopes and never values. Near the optimum, differences between float32
    losses drown in rounding errors long before slopes do. Slopes suffice for a convex function:
    along a line its slope never decreases, so a step is too long where the slope is steeply
    positive, and too short where it has hardly changed.

    References
    ----------
    J. Nocedal and S. J. Wright, "Numerical Optimization", 2006, algorithms 7.4 and 7.5.

    """

    def __init__(self, evaluate: Callable[[Array], tuple[Array, Any]]) -> None:
        self.evaluate = evaluate
        self._pairs: deque[tuple[Array, Array, float]] = deque(maxlen=_HISTORY)

    def start(self, x: Array) -> Point:
        """Evaluate at `x`; what earlier steps learned about curvature is kept."""
        return Point(x, *self.evaluate(x))

    def add_quadratic(self, weights: Array) -> None:
        """Correct what earlier steps learned, because weights * x ** 2 / 2 was added to the function.

        `weights` has the shape of x or one that broadcasts to it; they may be negative if the function
        stays convex.
        """
        pairs = [(moved, change + weights * moved) for moved, change, _ in self._pairs]
        self._pairs.clear()
        for moved, change in pairs:
            self._remember(moved, change)

    def step(self, point: Point, precondition: Callable[[Array], Array]) -> Point | None:
        """Return the next point, or None if rounding errors hide every descent direction.

        `precondition` applies an approximate inverse Hessian to a gradient; it may change between
        steps.
        """
        direction = -self._inverse_hessian(point.gradient, precondition)
        slope = float(np.vdot(direction, point.gradient))
        # The scale of the preconditioner is unknown before the first pair, so begin with a short step.
        length = 1.0 if self._pairs else min(1.0, abs(slope) ** -0.5)
        found = self._along(point, direction, slope, length) if slope < 0 else None
        if found is None:
            # Curvature learned far from here can mislead: try once more without it.
            if not self._pairs:
                return None
            self._pairs.clear()
            return self.step(point, precondition)
        self._remember((found.x - point.x).astype(point.x.dtype), found.gradient - point.gradient)
        return found

    def _remember(self, moved: Array, change: Array) -> None:
        curvature = float(np.vdot(moved, change))
        # Positive for a convex function; rounding can make it negative, and then the approximate
        # inverse Hessian would no longer be positive definite.
        if curvature > 0:
            self._pairs.append((moved, change, curvature))

    def _inverse_hessian(self, gradient: Array, precondition: Callable[[Array], Array]) -> Array:
        """Apply the two-loop recursion, starting from the preconditioner scaled by the newest pair."""
        rest = gradient.copy()
        weights = []
        for moved, change, curvature in reversed(self._pairs):
            weights.append(float(np.vdot(moved, rest)) / curvature)
            rest -= weights[-1] * change
        result = precondition(rest)
        if self._pairs:
            _, change, curvature = self._pairs[-1]
            result *= curvature / float(np.vdot(change, precondition(change)))
        for (moved, change, curvature), weight in zip(self._pairs, reversed(weights), strict=True):
            result += (weight - float(np.vdot(change, result)) / curvature) * moved
        return result

    def _along(self, point: Point, direction: Array, slope: float, length: float) -> Point | None:
        """Bracket the zero of the slope along a line, then narrow the bracket with the secant method."""
        low, low_slope = 0.0, slope
        high, high_slope = np.inf, np.inf
        for _ in range(_MAX_EVALUATIONS):
            # A step that is far too long can overflow float32. Its slope is then not finite, which is
            # handled below, so NumPy's warning would only alarm the user.
            with np.errstate(over="ignore", invalid="ignore"):
                x = point.x + length * direction
                found = Point(x, *self.evaluate(x))
                here = float(np.vdot(direction, found.gradient))
            if here > -_CURVATURE * slope or not np.isfinite(here):
                high, high_slope = length, here
            elif here < _CURVATURE * slope and self._pairs:
                # Without pairs a short step is accepted: it gives the first pair, and thus the scale.
                low, low_slope = length, here
            else:
                return found
            if np.isinf(high):
                length *= 4
            else:
                # Kept within the middle 80 %, so that the bracket shrinks whatever the slopes are.
                share = -low_slope / (high_slope - low_slope)
                length = low + (high - low) * (min(max(share, 0.1), 0.9) if np.isfinite(share) else 0.1)
        return None
