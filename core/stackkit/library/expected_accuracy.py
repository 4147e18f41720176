"""The accuracy to expect of a model, as Python code sees it."""

from __future__ import annotations

from dataclasses import dataclass

from stackkit.utils.figures import percent


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedAccuracy:
    """How often a model was right on images that it had not seen.

    Attributes
    ----------
    accuracy : float
        Share of right answers, from 0 to 1.
    interval : tuple of float
        Its 95 % interval.
    images : int
        Number of images that were predicted.
    protocol : str
        How these images were chosen.

    """

    accuracy: float
    interval: tuple[float, float]
    images: int
    protocol: str

    def __str__(self) -> str:
        low, high = self.interval
        return (
            f"{percent(self.accuracy)} [{100 * low:.1f}, {100 * high:.1f}] "
            f"({self.images:,} images, {self.protocol})"
        )
