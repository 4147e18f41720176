"""The domain's records and the protocols that plugins implement.

No module of this package imports NumPy or Pillow at import time, so that listing plugins stays fast.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

BoundingBox: TypeAlias = tuple[float, float, float, float]
"""x and y of the top left corner, width and height, in pixels of the original image."""

FitOn = Literal["in-sample", "out-of-fold", "features"]
"""What an aggregator is fitted on; the type of its attribute `fit_on`.

- "in-sample": probabilities of the training rows from learners that were fitted on the same rows.
  They are overconfident. Use it for aggregators that learn nothing; the published recipe uses it too.
- "out-of-fold": probabilities of each training row from learners that were not fitted on this row.
  Use it for aggregators that learn weights.
- "features": the features of all backbones instead of probabilities; see `FeatureAggregator`.
"""

Unit = Literal["items", "bytes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One labelled image of a dataset, without its pixels.

    Attributes
    ----------
    id : str
        Unique in its dataset, and the same every time the dataset is opened.
    label : int
        Index into the dataset's `classes`; NumPy's integers are converted.
    split : str or None
        The official split, "train", "val" or "test"; None if the dataset defines none.
    bounding_box : BoundingBox or None
        Where the object is in the image; None if unknown.
    group : str or None
        What several images may show: one individual, nest, patient or video. Folds keep the images of
        a group together. None: the image is a group of its own.

    """

    id: str
    label: int
    split: str | None = None
    bounding_box: BoundingBox | None = None
    group: str | None = None

    def __post_init__(self) -> None:
        # Tables give NumPy's integers, which JSON cannot hold. Other types are refused with a message
        # that names the dataset, when the dataset is opened.
        if type(self.label) is not int and hasattr(self.label, "__index__"):
            object.__setattr__(self, "label", operator.index(self.label))


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedImage:
    """An image that could not be turned into features, and the reason."""

    id: str
    reason: str


class Dataset(Protocol):
    """Labelled images in a fixed order.

    The constructor reads metadata only and downloads nothing.
    """

    @property
    def classes(self) -> Sequence[str]:
        """Names of the classes. The label of a sample is an index into them."""

    @property
    def samples(self) -> Sequence[Sample]:
        """All samples in a fixed order. Row i of every feature matrix belongs to sample i."""

    @property
    def notes(self) -> Sequence[str]:
        """Remarks for the report, such as the number of files that were left out."""

    def image(self, i: int) -> Image.Image:
        """Return image i. stackkit calls it from several threads.

        Parameters
        ----------
        i : int
            Index into `samples`.

        Returns
        -------
        PIL.Image.Image
            Mode RGB, any size.

        Raises
        ------
        ImageError or OSError
            If the image cannot be read. stackkit counts and lists it and continues with the others.

        """

    def fingerprint(self, i: int) -> str:
        """Return a text that changes whenever the content of image i changes.

        stackkit reuses stored features only for images with the same fingerprint. It calls this method
        from several threads, once before image i is decoded and once afterwards.

        Parameters
        ----------
        i : int
            Index into `samples`.

        Returns
        -------
        str
            ASCII, at most 64 characters; see `file_fingerprint` and `bytes_fingerprint`.

        Raises
        ------
        ImageError or OSError
            If the image cannot be read.

        """


class Backbone(Protocol):
    """A frozen network without its classification layers: images in, features out."""

    @property
    def image_size(self) -> int:
        """Height and width in pixels of the images that `extract` takes."""

    @property
    def feature_dim(self) -> int:
        """Number of features per image."""

    @property
    def revision(self) -> str:
        """Identifies weights, architecture and preprocessing. Change it whenever the features change.

        It is part of the key under which features are stored.
        """

    @property
    def trained(self) -> bool:
        """False if the weights are random. Every output then says "untrained"."""

    def extract(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Compute the features of a batch of images.

        Parameters
        ----------
        images : ndarray of shape (n, image_size, image_size, 3), dtype uint8
            RGB, values from 0 to 255. Read-only, because all backbones of the same size share the array;
            `torch.tensor(images)` and `images.astype(...)` make copies.

        Returns
        -------
        ndarray of shape (n, feature_dim), dtype float32
            Finite values. Row i must depend on image i only.

        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """How a backbone works on this machine; the result of `PreparableBackbone.prepare`.

    Attributes
    ----------
    settings : mapping
        Provenance that is stored with the features: a dict of JSON values, such as engine, device,
        precision and threads.
    batch_size : int
        Number of images that the backbone processes best at a time, > 0. All backbones of a run receive
        the same batches. The batch size is the largest that any of them requests, and at least 32; the
        last batch may be smaller. Split the batch in `extract` if it is too large.
    images_per_s : float or None
        Speed measured on this machine, > 0; None if it was not measured.

    """

    settings: Mapping[str, Any]
    batch_size: int
    images_per_s: float | None = None


@runtime_checkable
class PreparableBackbone(Backbone, Protocol):
    """A backbone that chooses its engine, device or batch size before it works. Optional."""

    def prepare(self, probe: NDArray[np.uint8], tell: Callable[[str], None]) -> Readiness:
        """Choose how to work on this machine. stackkit calls it once, before `extract`.

        Parameters
        ----------
        probe : ndarray of shape (n, image_size, image_size, 3), dtype uint8
            Real images of the run, 1 <= n <= 32.
        tell : callable
            Shows one line of text to the user, such as the reason why an engine is not used.

        Returns
        -------
        Readiness
            The settings that `extract` will use.

        """


@runtime_checkable
class PlanningBackbone(PreparableBackbone, Protocol):
    """A backbone that prepares itself according to how much there is to compute. Optional."""

    def expect(self, images: int) -> None:
        """Take note of how many images will be computed. stackkit calls it before `prepare`.

        Until then it decodes images, so what `prepare` will need can be started here already.

        Parameters
        ----------
        images : int
            Number of images, > 0.

        """


@runtime_checkable
class JoinableBackbone(Backbone, Protocol):
    """A backbone that can compute the features of others along with its own. Optional.

    Several poolings of one network, say, are several backbones, and the network runs once for all of
    them. stackkit stores the features of each under its own key, exactly as if it had run alone, so they
    must be the same up to rounding (1e-5 of a row's norm).
    """

    @property
    def pass_key(self) -> str:
        """Equal for backbones that can be joined: same network, weights, image size, engine."""

    def join(self, others: Sequence[Any]) -> Backbone:
        """Return a backbone that computes the features of this one and of others.

        Parameters
        ----------
        others : sequence of JoinableBackbone
            Backbones of the same component with the same `pass_key`, at least one.

        Returns
        -------
        Backbone
            Its features are those of this backbone and of the others, in this order, side by side as
            columns. Its `expect` and `prepare` are called instead of theirs; its `revision` is not used.

        """


class Learner(Protocol):
    """An unfitted classifier with scikit-learn's interface.

    Notes
    -----
    A learner that has `probabilities=True` in its spec (the default) feeds aggregators. It also has:

    - `predict_proba(X)`, which takes (n, d) features and returns (n, n_classes) floats from 0 to 1, and
      each row sums to 1;
    - after fitting, `classes_`: the labels seen in `fit`, ascending, in the order of the columns.
      Labels may have gaps.

    A learner has `get_params` and `set_params`, because aggregators may clone it. Subclasses of
    `sklearn.base.BaseEstimator` inherit both if their constructor stores each argument as an attribute
    of the same name.

    A learner that divides its training rows, to tune or calibrate itself, can keep groups together: if
    `fit` has a third parameter `groups`, it is passed by name whenever the run has groups or several
    views of an image as training rows, as an ndarray of shape (n,), dtype int64, with equal numbers for
    rows of one group. Its default must be None. The same holds for `fit` of aggregators.
    `group_argument` passes it on to a learner.

    References
    ----------
    https://scikit-learn.org/stable/developers/develop.html

    """

    def fit(self, X: NDArray[np.float32], y: NDArray[np.int64], /) -> object:
        """Fit the classifier.

        Parameters
        ----------
        X : ndarray of shape (n, d), dtype float32
            Features.
        y : ndarray of shape (n,), dtype int64
            Labels, >= 0; they may have gaps.

        Returns
        -------
        object
            Ignored; scikit-learn's classifiers return self.

        """

    def predict(self, X: NDArray[np.float32], /) -> NDArray[np.int64]:
        """Predict labels.

        Parameters
        ----------
        X : ndarray of shape (n, d), dtype float32
            Features.

        Returns
        -------
        ndarray of shape (n,), dtype int64
            Labels out of those seen in `fit`.

        """


class Aggregator(Protocol):
    """A meta-classifier that combines the class probabilities of the base learners.

    Notes
    -----
    There is one base learner per backbone, in the order of the backbones. Results must not depend on
    this order. An aggregator that depends on it declares so by an attribute `ordered = True`.

    References
    ----------
    D. H. Wolpert, "Stacked generalization", Neural Networks 5(2), 1992.

    K. M. Ting and I. H. Witten, "Issues in stacked generalization", Journal of Artificial Intelligence
    Research 10, 1999.

    """

    @property
    def fit_on(self) -> FitOn:
        """The probabilities of the training rows that `fit` receives: "in-sample" or "out-of-fold".

        The third value, "features", makes it a `FeatureAggregator`, which has other parameters.
        """

    def fit(self, probabilities: NDArray[np.floating], labels: NDArray[np.int64]) -> object:
        """Fit the aggregator.

        Parameters
        ----------
        probabilities : ndarray of shape (n_learners, n_samples, n_classes), dtype float32 or float64
            Class probabilities of the training rows, from 0 to 1; each row sums to 1.
        labels : ndarray of shape (n_samples,), dtype int64
            Labels from 0 to n_classes - 1.

        Returns
        -------
        object
            Ignored.

        """

    def predict(self, probabilities: NDArray[np.floating]) -> NDArray[np.int64]:
        """Predict labels.

        Parameters
        ----------
        probabilities : ndarray of shape (n_learners, n_samples, n_classes), dtype float32 or float64
            Class probabilities of new rows, with the learners in the same order as in `fit`.

        Returns
        -------
        ndarray of shape (n_samples,), dtype int64
            Labels from 0 to n_classes - 1.

        """


class FeatureAggregator(Protocol):
    """A classifier on the features of all backbones, to compare stacking with."""

    @property
    def fit_on(self) -> Literal["features"]:
        """The text "features"."""

    def fit(
        self, features: Sequence[NDArray[np.float32]], labels: NDArray[np.int64], learner: Learner
    ) -> object:
        """Fit the classifier.

        Parameters
        ----------
        features : sequence of ndarray of shape (n_samples, d), dtype float32
            One array per backbone; d differs between backbones.
        labels : ndarray of shape (n_samples,), dtype int64
            Labels, >= 0.
        learner : Learner
            An unfitted copy of a learner that the run fits on each single backbone. With several
            learners, the aggregator is fitted with each of them.

        Returns
        -------
        object
            Ignored.

        """

    def predict(self, features: Sequence[NDArray[np.float32]]) -> NDArray[np.int64]:
        """Predict labels.

        Parameters
        ----------
        features : sequence of ndarray of shape (n_samples, d), dtype float32
            One array per backbone, in the same order as in `fit`.

        Returns
        -------
        ndarray of shape (n_samples,), dtype int64
            Labels out of those seen in `fit`.

        """


class Reporter(Protocol):
    """Receives progress and messages, for a terminal or a log."""

    def start(self, task: str, total: int, done: int = 0, unit: Unit = "items") -> None:
        """Announce a task.

        Parameters
        ----------
        task : str
            Name of the task.
        total : int
            Number of items or bytes of the whole task.
        done : int, default 0
            Number of items or bytes that an earlier run finished.
        unit : {"items", "bytes"}, default "items"
            What is counted.

        """

    def advance(self, task: str, count: int) -> None:
        """Report progress.

        Parameters
        ----------
        task : str
            Name of a task that was announced by `start`.
        count : int
            Number of items or bytes finished since the last call.

        """

    def message(self, text: str) -> None:
        """Show one line of text to the user.

        Parameters
        ----------
        text : str
            The line.

        """


class SilentReporter:
    """A reporter that ignores everything."""

    def start(self, task: str, total: int, done: int = 0, unit: Unit = "items") -> None:
        """Do nothing."""

    def advance(self, task: str, count: int) -> None:
        """Do nothing."""

    def message(self, text: str) -> None:
        """Do nothing."""
