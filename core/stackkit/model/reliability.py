"""How often answers of which confidence are right, as found on images that were left out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stackkit.api.errors import UsageError
from stackkit.api.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """A confidence from which answers are accepted.

    Attributes
    ----------
    confidence : float
        Least calibrated probability of an answer.
    precision, coverage : float
        Share of the accepted answers that were right, and share of all that were accepted.

    """

    confidence: float
    precision: float
    coverage: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """Confidence and correctness of out-of-fold answers.

    Parameters
    ----------
    confidence : ndarray of shape (n,), float64
        Calibrated probability of the predicted class.
    correct : ndarray of shape (n,), bool
        Whether it is the true class.

    """

    confidence: NDArray[np.float64]
    correct: NDArray[np.bool_]

    def threshold(self, target_precision: float) -> Threshold:
        """Return the lowest confidence from which this share of the answers was right.

        If no confidence is enough, nothing is accepted: confidence, precision and coverage are 1, 1
        and 0.
        """
        if not 0 < target_precision <= 1:
            raise UsageError(f"the precision must be above 0 and at most 1, got {target_precision:g}")
        order = np.argsort(-self.confidence, kind="stable")
        confidence = self.confidence[order]
        precision = np.cumsum(self.correct[order]) / np.arange(1, len(order) + 1)
        last = np.append(confidence[1:] < confidence[:-1], True)  # equal confidences go together
        reached = np.flatnonzero(last & (precision >= target_precision))
        if not len(reached):
            return Threshold(confidence=1.0, precision=1.0, coverage=0.0)
        at = reached[-1]
        return Threshold(
            confidence=float(confidence[at]),
            precision=float(precision[at]),
            coverage=float((at + 1) / len(order)),
        )

    def state(self) -> State:
        """Return what `from_state` takes."""
        return State(arrays={"confidence": self.confidence, "correct": self.correct})

    @classmethod
    def from_state(cls, state: State) -> Reliability:
        """Return the reliability of a state; raises ValueError for an invalid one."""
        confidence, correct = (state.arrays.get(name) for name in ("confidence", "correct"))
        if (
            confidence is None
            or correct is None
            or confidence.dtype != np.float64
            or correct.dtype != np.bool_
            or confidence.ndim != 1
            or confidence.shape != correct.shape
            or not ((confidence >= 0) & (confidence <= 1)).all()
        ):
            raise ValueError("confidence and correct must be arrays of equal length, float64 and bool")
        return cls(confidence=confidence, correct=correct)
