"""Components that keep one which is tried company in a real run: small, quick and easily told apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.linear_model import LogisticRegression

from stackkit import __version__
from stackkit.api.images import bytes_fingerprint
from stackkit.api.specs import BackboneSpec, ComponentSpec, DatasetSpec, LearnerSpec, Option
from stackkit.api.types import Sample
from stackkit.host.component import Component

PLUGIN = "kit"
SIDE = 16
CLASSES = 3


class Squares:
    """Images of noise, each class with a brightness of its own."""

    classes, notes = ("dark", "grey", "bright"), ()

    def __init__(self, *, n: int) -> None:
        self.samples = [Sample(id=f"square-{i}", label=i % CLASSES) for i in range(n)]

    def image(self, i: int) -> Image.Image:
        """Noise around the class's brightness."""
        noise = np.random.default_rng(i).integers(0, 80, (SIDE, SIDE, 3))
        return Image.fromarray((noise + 80 * (i % CLASSES)).astype(np.uint8))

    def fingerprint(self, i: int) -> str:
        """Of the pixels."""
        return bytes_fingerprint(self.image(i).tobytes())


class Means:
    """Means of an image's rows: one feature for each."""

    image_size, feature_dim, trained = SIDE, SIDE, True

    def __init__(self, *, upright: bool) -> None:
        self.axis, self.revision = (1 if upright else 2), f"1-{upright}"

    def extract(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, 16, 16, 3) -> (n, 16)."""
        means: NDArray[np.float32] = images.mean(axis=(self.axis, 3), dtype=np.float32)
        return means


def logistic() -> LogisticRegression:
    """A learner with probabilities."""
    return LogisticRegression(max_iter=1000)


def _component(spec: ComponentSpec) -> Component:
    return Component(spec=spec, plugin=PLUGIN, distribution="stackkit", version=__version__)


COMPANY = tuple(
    map(
        _component,
        (
            DatasetSpec(
                name="squares",
                summary="noise of three brightnesses",
                factory="stackkit.testing.sample_components:Squares",
                options=(Option(name="n", default=120, help="how many images"),),
            ),
            BackboneSpec(
                name="means",
                summary="means of rows or columns",
                factory="stackkit.testing.sample_components:Means",
                options=(Option(name="upright", default=False, help="columns in place of rows"),),
            ),
            LearnerSpec(
                name="logistic",
                summary="logistic regression",
                factory="stackkit.testing.sample_components:logistic",
            ),
        ),
    )
)
"""One of each kind that a run cannot do without."""
