"""Small and quick components that complete a run with the component under test."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.linear_model import LogisticRegression

from stackkit import __version__
from stackkit.api.dataset import Sample
from stackkit.api.images import bytes_fingerprint
from stackkit.api.option import Option
from stackkit.api.specs import BackboneSpec, ComponentSpec, DatasetSpec, LearnerSpec
from stackkit.host.component import Component

SIDE = 16
CLASSES = 3


class Squares:
    """`n` images of noise whose brightness depends on the class."""

    classes, notes = ("dark", "grey", "bright"), ()

    def __init__(self, *, n: int) -> None:
        self.samples = [Sample(id=f"square-{i}", label=i % CLASSES) for i in range(n)]

    def image(self, i: int) -> Image.Image:
        """Return image i, the same every time."""
        noise = np.random.default_rng(i).integers(0, 80, (SIDE, SIDE, 3))
        return Image.fromarray((noise + 80 * (i % CLASSES)).astype(np.uint8))

    def fingerprint(self, i: int) -> str:
        """Return a digest of the pixels."""
        return bytes_fingerprint(self.image(i).tobytes())


class Means:
    """Mean brightness of each row or column: 16 features from 0 to 1, on which solvers are quick."""

    image_size, feature_dim, trained = SIDE, SIDE, True

    def __init__(self, *, upright: bool) -> None:
        self.axis, self.revision = (1 if upright else 2), f"1-{upright}"

    def extract(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, 16, 16, 3) -> (n, 16)."""
        means: NDArray[np.float32] = images.mean(axis=(self.axis, 3), dtype=np.float32)
        return means / np.float32(255)


def logistic() -> LogisticRegression:
    """Return a learner with probabilities."""
    return LogisticRegression(max_iter=1000)


def _component(spec_of: type[ComponentSpec], name: str, factory: str, *options: Option) -> Component:
    spec = spec_of(name=name, summary=name, factory=f"{__name__}:{factory}", options=options)
    return Component(spec=spec, plugin="kit", distribution="stackkit", version=__version__)


SAMPLE_COMPONENTS = (
    _component(DatasetSpec, "squares", "Squares", Option(name="n", default=120, help="images")),
    _component(BackboneSpec, "means", "Means", Option(name="upright", default=False, help="columns")),
    _component(LearnerSpec, "logistic", "logistic"),
)
"""One component of each kind that a run needs."""
