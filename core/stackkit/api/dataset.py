"""Labelled images: the samples of a dataset, and the protocol that datasets implement."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from PIL import Image

BoundingBox: TypeAlias = tuple[float, float, float, float]
"""x and y of the top left corner, width and height, in pixels of the original image."""


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
