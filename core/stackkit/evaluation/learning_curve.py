"""How accuracy grows with the number of training images per class, from stored features alone."""

from __future__ import annotations

from dataclasses import dataclass

from stackkit.statistics.intervals import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """Accuracy of a row of the table after training on part of the images.

    Parameters
    ----------
    images_per_class : float
        Training images per class; the mean over classes and folds.
    accuracy : float
        On the same test images for all points.
    interval_95 : tuple of (float, float)
        As in the table.

    """

    images_per_class: float
    accuracy: float
    interval_95: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """The learning curve of one row of the table.

    Parameters
    ----------
    name : str
        `Result.name` of the row.
    backbones : tuple of str
        As in `Result`.
    points : tuple of CurvePoint
        Ascending.
    forecast : CurvePoint or None
        What twice as many images would bring, if the curve lets it be said.

    """

    name: str
    backbones: tuple[str, ...]
    points: tuple[CurvePoint, ...]
    forecast: CurvePoint | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningCurve:
    """The curves of a run, and a sentence on what more images would bring."""

    curves: tuple[Curve, ...]
    sentence: str
