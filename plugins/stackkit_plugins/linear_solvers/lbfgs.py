"""Minimise a convex function whose values are too noisy to compare, but whose gradients are not."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

_HISTORY = 10
_TRIALS = 20


class Point(NamedTuple):
    """Where the search is, the function's gradient there, and what else was learned on the way."""

    x: Array
    gradient: Array
    facts: Any


class LBFGS:
    """L-BFGS (Nocedal and Wright 2006, algorithm 7.4) around any preconditioner.

    The line search looks at slopes alone: along a line a convex function's slope only grows, so
    a step is too long where it is steeply positive and too short where it has hardly changed.
    Near the optimum differences of float32 losses drown in rounding errors long before slopes do.
    """

    def __init__(self, evaluate: Callable[[Array], tuple[Array, Any]]) -> None:
        self.evaluate = evaluate
        self._pairs: deque[tuple[Array, Array, float]] = deque(maxlen=_HISTORY)

    def start(self, x: Array) -> Point:
        """The point at `x`; what is known of curvature is kept."""
        return Point(x, *self.evaluate(x))

    def step(self, point: Point, precondition: Callable[[Array], Array]) -> Point | None:
        """The next point; None where rounding errors hide every way down."""
        direction = -self._inverse_hessian(point.gradient, precondition)
        slope = float(np.vdot(direction, point.gradient))
        # The preconditioner's scale is unknown until a first pair has shown it: begin carefully.
        length = 1.0 if self._pairs else min(1.0, abs(slope) ** -0.5)
        found = self._along(point, direction, slope, length) if slope < 0 else None
        if found is None:
            # What was learned of curvature far away may mislead: try once more without it.
            if not self._pairs:
                return None
            self._pairs.clear()
            return self.step(point, precondition)
        moved = (found.x - point.x).astype(point.x.dtype)
        change = found.gradient - point.gradient
        curvature = float(np.vdot(moved, change))
        if curvature > 0:
            self._pairs.append((moved, change, curvature))
        return found

    def _inverse_hessian(self, gradient: Array, precondition: Callable[[Array], Array]) -> Array:
        """The two-loop recursion, from the preconditioner scaled by the newest pair."""
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
        """Bracket the zero of the slope, then close in by the secant."""
        low, low_slope = 0.0, slope
        high, high_slope = np.inf, np.inf
        for _ in range(_TRIALS):
            x = point.x + length * direction
            found = Point(x, *self.evaluate(x))
            here = float(np.vdot(direction, found.gradient))
            if here > -0.9 * slope or not np.isfinite(here):
                high, high_slope = length, here
            elif here < 0.9 * slope and self._pairs:
                low, low_slope = length, here
            else:
                return found
            if np.isinf(high):
                length *= 4
            else:
                share = -low_slope / (high_slope - low_slope)
                length = low + (high - low) * (min(max(share, 0.1), 0.9) if np.isfinite(share) else 0.1)
        return None
