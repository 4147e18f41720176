"""Gather what shows why a model gives an answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stackkit.api.reporter import Reporter, SilentReporter
from stackkit.evaluation.features import Features
from stackkit.explanation.occlusion import OcclusionMap, occlusion_map
from stackkit.model.examples import Neighbour
from stackkit.model.model import Model
from stackkit.prediction.predictor import Predictor
from stackkit.prediction.record import Candidate, Prediction

if TYPE_CHECKING:
    from PIL import Image

NEIGHBOURS = 5
"""Number of training images that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnerVotes:
    """What one base learner says about the classes that are shown, not calibrated."""

    learner: str
    backbone: str
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """An answer, and what led to it.

    Attributes
    ----------
    image : PIL.Image.Image
        The image as the model sees it, upright and in mode RGB.
    prediction : Prediction
        The answer.
    votes : tuple of LearnerVotes
        Probabilities of the classes of `prediction.top` by each base learner, in the same order.
    neighbours : tuple of Neighbour
        The most similar training images; empty if the model has no examples.
    classes : tuple of str
        Names of the classes.
    regions : OcclusionMap or None
        The regions that the answer depends on.

    """

    image: Image.Image
    prediction: Prediction
    votes: tuple[LearnerVotes, ...]
    neighbours: tuple[Neighbour, ...]
    classes: tuple[str, ...]
    regions: OcclusionMap | None

    def document(self) -> dict[str, Any]:
        """Return a JSON object, without images."""
        return {
            "prediction": self.prediction.document(),
            "votes": [
                {
                    "learner": each.learner,
                    "backbone": each.backbone,
                    "probabilities": {one.label: one.probability for one in each.candidates},
                }
                for each in self.votes
            ],
            "neighbours": [
                {
                    "image": each.name,
                    "label": self.classes[each.label],
                    "similarity": each.similarity,
                }
                for each in self.neighbours
            ],
            "regions": self.regions.falls.tolist() if self.regions else None,
        }


def explain(
    predictor: Predictor,
    image: Image.Image,
    source: str = "",
    *,
    grid: int = 8,
    regions: bool = True,
    reporter: Reporter | None = None,
) -> Explanation:
    """Label an image, and gather what led to the answer.

    Parameters
    ----------
    predictor : Predictor
        The model.
    image : PIL.Image.Image
        As `Predictor.read` returns it.
    source : str
        Name of the image.
    grid : int, default 8
        Cells per side of the map of regions; (grid - 1)^2 covered images are labelled for it.
    regions : bool, default True
        Whether there is such a map.
    reporter : Reporter, optional
        Receives the progress of the map.

    Raises
    ------
    UsageError
        If `grid` is out of range.
    ImageError
        If the image cannot be used.

    """
    model, image, reporter = predictor.model, image.convert("RGB"), reporter or SilentReporter()
    features = predictor.features([image])
    (prediction,) = predictor.answer(features, [source])
    label = model.classes.index(prediction.label)
    near = model.examples.nearest(features, NEIGHBOURS)[0] if model.examples else []
    return Explanation(
        image=image,
        prediction=prediction,
        votes=_votes(model, features, prediction),
        neighbours=tuple(near),
        classes=model.classes,
        regions=occlusion_map(predictor, image, label, grid, reporter) if regions else None,
    )


def _votes(
    model: Model, features: Sequence[Features], prediction: Prediction
) -> tuple[LearnerVotes, ...]:
    votes = model.answer(features).votes[:, 0]
    shown = [(each.label, model.classes.index(each.label)) for each in prediction.top]
    return tuple(
        LearnerVotes(
            learner=learner.component.label,
            backbone=model.backbones[learner.backbone].label,
            candidates=tuple(
                Candidate(label=name, probability=float(own[number])) for name, number in shown
            ),
        )
        for learner, own in zip(model.stack.learners, votes, strict=True)
    )
