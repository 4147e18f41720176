"""Show which training images an answer resembles, if the model has examples of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from stackkit.api.pixels import remarks
from stackkit.prediction.record import Prediction

if TYPE_CHECKING:
    from PIL import Image

    from stackkit.model.examples import Neighbour
    from stackkit.prediction.predictor import Predictor

_COUNT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighbourDocument:
    """A training image that resembles an image.

    Attributes
    ----------
    image : str
        Its name in the dataset.
    label : str
        Its class.
    similarity : float
        Cosine of the angle between the features of both, from -1 to 1.
    thumbnail : str
        Path of a small copy of it on this server.

    """

    image: str
    label: str
    similarity: float
    thumbnail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Prediction):
    """What a model says about one image, and the training images that resemble it most."""

    neighbours: tuple[NeighbourDocument, ...] = ()


class Neighbourly:
    """A predictor whose answers have neighbours.

    Parameters
    ----------
    predictor : Predictor
        The predictor of a model with examples, or without: then answers have no neighbours.

    """

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._examples = predictor.model.examples
        self.read, self.warm = predictor.read, predictor.warm
        names = self._examples.names if self._examples else ()
        self._numbers = {name: number for number, name in enumerate(names)}
        self.thumbnails = self._examples.thumbnails if self._examples else ()

    def predict(self, images: Sequence[Image.Image], sources: Sequence[str]) -> Sequence[Prediction]:
        """Label RGB images; see `Predictor.predict`."""
        if not self._examples:
            return self._predictor.predict(images, sources)
        features = self._predictor.features(images)
        found = self._predictor.answer(features, sources, [remarks(each) for each in images])
        near = self._examples.nearest(features, _COUNT)
        return [
            Answer(
                **{each.name: getattr(prediction, each.name) for each in fields(prediction)},
                neighbours=tuple(map(self._document, neighbours)),
            )
            for prediction, neighbours in zip(found, near, strict=True)
        ]

    def _document(self, neighbour: Neighbour) -> NeighbourDocument:
        return NeighbourDocument(
            image=neighbour.name,
            label=self._predictor.model.classes[neighbour.label],
            similarity=neighbour.similarity,
            thumbnail=f"examples/{self._numbers[neighbour.name]}",
        )
