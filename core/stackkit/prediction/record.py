"""What a model says about one image: the record that every way to ask a model returns."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A class and its probability, from 0 to 1."""

    label: str
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """What one base learner says: its most probable class, from the features of one backbone."""

    learner: str
    backbone: str
    label: str
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What a model says about one image.

    Attributes
    ----------
    source : str
        The path of the image as it was given, or another name; "" for an image without a name.
    label : str
        The predicted class.
    probability : float
        Its calibrated probability, from 0 to 1.
    accepted : bool
        False if the probability is below the threshold that the caller asked for: do not use the label
        without a look at the image.
    top : tuple of Candidate
        The most probable classes, most probable first.
    votes : tuple of Vote
        What each base learner says.
    novelty : float
        Share of the training images that look less unusual, from 0 to 1.
    novel : bool
        Whether the image looks unlike everything that the model was trained on.
    remarks : tuple of str
        What is special about the image file, for example that it is damaged; mostly nothing.

    """

    source: str
    label: str
    probability: float
    accepted: bool
    top: tuple[Candidate, ...]
    votes: tuple[Vote, ...]
    novelty: float
    novel: bool
    remarks: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """Return a JSON object with the attributes as keys."""
        return asdict(self)
