"""The domain's records and the protocols that plugins fulfil.

Nothing here imports NumPy or Pillow when stackkit runs: the listing of plugins stays light.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

BoundingBox: TypeAlias = tuple[float, float, float, float]
"""x and y of the top left corner, width, height; in pixels of the original image."""

FitOn = Literal["in-sample", "out-of-fold", "features"]
"""What aggregators learn from, which they say as `fit_on`.

"in-sample": probabilities of the training rows by learners that were fitted on these rows, too sure of
themselves, which does no harm where nothing is learned from them, and is what the published recipe does.
"out-of-fold": by learners that did not see the row; for whatever learns weights.
"features": no probabilities but the features of all backbones, handed to a `FeatureAggregator`.
"""

Unit = Literal["items", "bytes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One labelled image of a dataset, without its pixels.

    `id` is unique and stable in its dataset; `label` indexes the dataset's `classes`;
    `split` is the official part ("train", "val", "test") or None where there is none.
    """

    id: str
    label: int
    split: str | None = None
    bounding_box: BoundingBox | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedImage:
    """An image that could not be turned into features, and why."""

    id: str
    reason: str


class Dataset(Protocol):
    """Labelled images in a fixed order. Its constructor reads metadata and downloads nothing."""

    @property
    def classes(self) -> Sequence[str]:
        """Class names; a sample's label is an index into them."""

    @property
    def samples(self) -> Sequence[Sample]:
        """All samples; row i of every feature matrix belongs to sample i."""

    @property
    def notes(self) -> Sequence[str]:
        """What a reader of a report should know, such as files that were left out."""

    def image(self, i: int) -> Image.Image:
        """Image i, mode RGB. Called from several threads; raises OSError or ImageError."""

    def fingerprint(self, i: int) -> str:
        """Short ASCII text (at most 64 characters) that changes whenever image i's content does.

        Called from several threads, once before image i is decoded and once after that.
        """


class Backbone(Protocol):
    """A frozen network without its top: images in, features out."""

    @property
    def image_size(self) -> int:
        """Side in pixels of the square images that `extract` takes."""

    @property
    def feature_dim(self) -> int:
        """Number of features per image."""

    @property
    def revision(self) -> str:
        """Changes whenever weights, architecture or preprocessing do; part of the store's key."""

    @property
    def trained(self) -> bool:
        """False for random weights; every output then says "untrained"."""

    def extract(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(n, size, size, 3) RGB -> (n, feature_dim); row i depends on image i only.

        The images are read-only, since backbones of one size share them: `torch.tensor(images)` copies.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """How a backbone is going to work on this machine, settled before its first row is kept.

    `settings` is provenance: a dict that JSON can hold (engine, device, precision, threads ...).
    `batch_size` is the number of images that the backbone wants at a time. All backbones advance
    together, so `extract` is handed as many as the one that wants most (32 at least), fewer where
    fewer are left, and splits them itself if that is too many.
    `images_per_s` was measured on this machine, None if it was not.
    """

    settings: Mapping[str, Any]
    batch_size: int
    images_per_s: float | None = None


@runtime_checkable
class PreparableBackbone(Backbone, Protocol):
    """A backbone that has something to settle before it works; optional for plugins."""

    def prepare(self, probe: NDArray[np.uint8], tell: Callable[[str], None]) -> Readiness:
        """Settle how to work, on (n, size, size, 3) real images; called once, before `extract`.

        n is from 1 to 32. `tell` shows a user one line, such as why an engine was refused.
        """


class Learner(Protocol):
    """An unfitted classifier as scikit-learn defines it.

    If its spec says `probabilities=True`, as it does by default, it also has `predict_proba(X)`, which
    feeds aggregators: (n, d) -> (n, n_classes) floats from 0 to 1, each row with a sum of 1; and, once
    fitted, `classes_`: the labels it saw, which may have gaps, ascending, in the order of the columns.

    It has `get_params` and `set_params`, as `sklearn.base.BaseEstimator` gives them to a class whose
    constructor keeps its arguments under their own names: a `FeatureAggregator` may clone it.
    """

    def fit(self, X: NDArray[np.float32], y: NDArray[np.int64], /) -> object:
        """Learn from (n, d) features and (n,) labels."""

    def predict(self, X: NDArray[np.float32], /) -> NDArray[np.int64]:
        """(n, d) -> (n,) labels."""


class Aggregator(Protocol):
    """A meta-classifier over the base learners' class probabilities.

    The order of learners, which is that of the backbones, is to be immaterial to it. One to which it
    means something says so by a further attribute, `ordered = True`.
    """

    @property
    def fit_on(self) -> FitOn:
        """Which probabilities of the training rows `fit` is handed, "in-sample" or "out-of-fold".

        Its third value, "features", makes it a `FeatureAggregator`, whose methods take other arrays.
        """

    def fit(self, probabilities: NDArray[np.floating], labels: NDArray[np.int64]) -> object:
        """Learn from (n_learners, n_samples, n_classes) probabilities and (n_samples,) labels.

        Probabilities are float32 or float64, as the learners made them.
        """

    def predict(self, probabilities: NDArray[np.floating]) -> NDArray[np.int64]:
        """(n_learners, n_samples, n_classes) -> (n_samples,) labels."""


class FeatureAggregator(Protocol):
    """A classifier over the features of all backbones, for comparison with stacks."""

    @property
    def fit_on(self) -> Literal["features"]:
        """That it works on features instead of probabilities."""

    def fit(
        self, features: Sequence[NDArray[np.float32]], labels: NDArray[np.int64], learner: Learner
    ) -> object:
        """Learn from one (n_samples, d) array per backbone and (n_samples,) labels.

        `learner` is an unfitted learner as the run fits on every single backbone.
        """

    def predict(self, features: Sequence[NDArray[np.float32]]) -> NDArray[np.int64]:
        """One (n_samples, d) array per backbone, in the same order -> (n_samples,) labels."""


class Reporter(Protocol):
    """Where progress goes: a terminal, a log, or nowhere."""

    def start(self, task: str, total: int, done: int = 0, unit: Unit = "items") -> None:
        """Work named `task` begins: `total` items or bytes, `done` of them finished earlier."""

    def advance(self, task: str, count: int) -> None:
        """`count` more of `task` are finished."""

    def message(self, text: str) -> None:
        """Something a user should read now."""


class SilentReporter:
    """A reporter for callers that want no progress."""

    def start(self, task: str, total: int, done: int = 0, unit: Unit = "items") -> None:
        """Ignore the start of a task."""

    def advance(self, task: str, count: int) -> None:
        """Ignore finished items."""

    def message(self, text: str) -> None:
        """Ignore a message."""
