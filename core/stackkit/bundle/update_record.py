"""What a manifest says about an update: new images and classes that a trained model took in later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from stackkit.bundle.accuracy_record import AccuracyRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateRecord:
    """An update of a model.

    Attributes
    ----------
    stackkit : str
        Version that made it.
    created : str
        Time in ISO 8601.
    dataset : str
        Label of the dataset with the new images.
    images : int
        Number of images that were added.
    known_images : int
        Number of images of the dataset that the model had already, and that were not added again.
    new_classes : tuple of str
        Names of the classes that the model did not have.
    before : AccuracyRecord or None
        How often the model before the update was right on the new images of classes that it had; None
        if there are no such images.
    figures : mapping of str to JSON value
        More of what the model before the update said about the new images: `log_loss` and `ece` of its
        probabilities, and `novel_known` and `novel_new`, the shares of images of known and of new
        classes that looked novel to it.
    effects : mapping of str to str
        What the update did to `accuracy`, `calibration`, `reliability`, `novelty` and `examples`:
        "kept", "updated" or "dropped".
    previous : str
        SHA-256 that identifies the bundle of the model before; "" if it was in no bundle.

    """

    stackkit: str
    created: str
    dataset: str
    images: int
    known_images: int = 0
    new_classes: tuple[str, ...] = ()
    before: AccuracyRecord | None = None
    figures: Mapping[str, Any] = field(default_factory=dict)
    effects: Mapping[str, Any] = field(default_factory=dict)
    previous: str = ""

    def __post_init__(self) -> None:
        if self.images < 1 or self.known_images < 0:
            raise ValueError("images must be at least 1, and known_images at least 0")

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Self:
        """Return the record of what `dataclasses.asdict` made of it."""
        before = facts["before"]
        return cls(**{**facts, "before": AccuracyRecord(**before) if before else None})
