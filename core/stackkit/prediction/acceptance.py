"""Which labels are accepted, and what that costs: found on images that were left out in training."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from stackkit.api.errors import UsageError
from stackkit.model.model import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """A threshold of the probability, and what is expected of it.

    Parameters
    ----------
    confidence : float
        Labels of at least this probability are accepted.
    precision : float or None
        Share of the accepted labels that are right, among left-out images of the training data; None if
        none of them is accepted.
    coverage : float
        Share of those images whose label is accepted.
    measured : bool
        False if the model knows of no such images, since it was updated with new classes.

    """

    confidence: float
    precision: float | None
    coverage: float
    measured: bool = True

    @property
    def text(self) -> str:
        """One line for the user."""
        if not self.measured:
            return (
                f"labels of {self.confidence:.1%} or more are accepted; how many of them are right is "
                "not known, because the model was updated with new classes"
            )
        if self.precision is None:
            if self.confidence > 1:
                return "no label is accepted: on images left out in training, no threshold was enough"
            return (
                f"labels of {self.confidence:.1%} or more are accepted; no image that was left out in "
                "training reached that"
            )
        return (
            f"labels of {self.confidence:.1%} or more are accepted: {self.coverage:.0%} of the images "
            f"that were left out in training, and {self.precision:.1%} of these were right"
        )

    def document(self) -> dict[str, Any]:
        """Return a JSON object with confidence, precision and coverage."""
        return {name: value for name, value in asdict(self).items() if name != "measured"}


def acceptance(
    model: Model, min_confidence: float | None, target_precision: float | None
) -> Acceptance | None:
    """Return which labels are accepted; None if all are.

    Parameters
    ----------
    model : Model
        The model.
    min_confidence : float or None
        The threshold, from 0 to 1.
    target_precision : float or None
        Find the threshold above which this share of the labels is right. Not together with
        `min_confidence`.

    Raises
    ------
    UsageError
        If an argument is out of range, or both are given, or the model knows of no threshold.

    """
    if min_confidence is not None and target_precision is not None:
        raise UsageError("min_confidence and target_precision cannot be combined; choose one of them")
    for name, value in (("min_confidence", min_confidence), ("target_precision", target_precision)):
        if value is not None and not 0 <= value <= 1:
            raise UsageError(f"{name} must be from 0 to 1, got {value:g}")
    reliability = model.reliability
    if target_precision is not None:
        if not len(reliability.confidence) and model.facts.get("updates"):
            raise UsageError(
                "the model was updated with new classes, so it is not known from which probability on "
                "its labels are right; train it again, or give a probability with --min-confidence"
            )
        found = reliability.threshold(target_precision)
        if not found.coverage:  # a probability of exactly 1 must not be accepted then
            return Acceptance(confidence=np.nextafter(1, 2).item(), precision=None, coverage=0.0)
        min_confidence = found.confidence
    if min_confidence is None:
        return None
    accepted = reliability.confidence >= min_confidence
    right = reliability.correct[accepted]
    return Acceptance(
        confidence=min_confidence,
        precision=float(right.mean()) if right.size else None,
        coverage=float(accepted.mean()) if accepted.size else 0.0,
        measured=accepted.size > 0 or not model.facts.get("updates"),
    )
