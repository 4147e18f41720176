"""What a manifest says about the accuracy of a model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyRecord:
    """The accuracy to expect of new images like those of the dataset.

    Attributes
    ----------
    accuracy : float
        Share of images whose label was right, 0 to 1.
    interval : tuple of (float, float)
        95 % confidence interval.
    images : int
        Number of images that were labelled for it.
    protocol : str
        How they were kept apart from those that the classifiers were fitted on.

    """

    accuracy: float
    interval: tuple[float, float]
    images: int
    protocol: str

    def __post_init__(self) -> None:
        low, high = self.interval
        if not (0 <= low <= high <= 1 and 0 <= self.accuracy <= 1 and self.images >= 1):
            raise ValueError("accuracy and interval must be 0 to 1, of at least one image")
