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
        Lowest calibrated probability of an accepted answer.
    precision : float
        Share of the accepted answers that were right; 1 if none was accepted.
    coverage : float
        Share of all answers that were accepted; 0 if no confidence is enough for the precision.

    """

    confidence: float
    precision: float
    coverage: float

    @property
    def attained(self) -> bool:
        """Whether any answer is accepted."""
        return self.coverage > 0


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
        """Return the lowest confidence from which this share of the answers can be expected to be right.

        Parameters
        ----------
        target_precision : float
            Above 0 and at most 1.

        Returns
        -------
        Threshold
            If no confidence is enough: confidence 1, precision 1 and coverage 0; see `attainable`.

        Raises
        ------
        UsageError
            If `target_precision` is out of range.

        Notes
        -----
        One more answer counts as accepted and wrong than was found, so that a few right answers prove
        little: a precision of 0.95 needs at least 19 accepted images, all right, and 0.99 at least 99.
        Conformal risk control (Angelopoulos et al., 2024) guards small samples in the same way.

        """
        if not 0 < target_precision <= 1:
            raise UsageError(f"the precision must be above 0 and at most 1, got {target_precision:g}")
        confidence, accepted, right = self._cuts()
        # Rounding must not refuse 19 of 20 for 0.95.
        reached = np.flatnonzero(right / (accepted + 1) >= target_precision - 1e-12)
        if not len(reached):
            return Threshold(confidence=1.0, precision=1.0, coverage=0.0)
        at = reached[-1]
        return Threshold(
            confidence=float(confidence[at]),
            precision=float(right[at] / accepted[at]),
            coverage=float(accepted[at] / len(self.confidence)),
        )

    @property
    def attainable(self) -> float:
        """The highest precision that `threshold` finds a confidence for; 0 if there is none."""
        _, accepted, right = self._cuts()
        return float(max(right / (accepted + 1), default=0.0))

    def _cuts(self) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
        """Return each confidence that occurs, from the highest, and how many answers reach it.

        The third array counts the right ones among them.
        """
        order = np.argsort(-self.confidence, kind="stable")
        confidence, right = self.confidence[order], np.cumsum(self.correct[order], dtype=np.int64)
        # Equal confidences go together: no threshold can tell them apart.
        last = np.flatnonzero(np.append(confidence[1:] < confidence[:-1], [True] * bool(len(order))))
        return confidence[last], (last + 1).astype(np.int64), right[last]

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
