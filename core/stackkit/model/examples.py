"""Keep small copies of training images with a model, so that answers can show what they look like."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stackkit.api.errors import ImageError
from stackkit.api.reporter import Reporter, SilentReporter
from stackkit.api.state import State
from stackkit.evaluation.features import Features

if TYPE_CHECKING:
    from PIL import Image

SIDE = 160
"""Longest side of a thumbnail, in pixels."""

MOST = 5_000
"""Number of examples of a model. Of larger datasets, each class has as many as fit."""

TASK = "thumbnails of examples"
"""Name of the progress bar."""

_QUALITY = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """A training image that resembles an image.

    Attributes
    ----------
    name : str
        Its id in the dataset.
    label : int
        Its class.
    similarity : float
        Cosine of the angle between the features of both, from -1 to 1; the mean over the backbones.
    thumbnail : bytes
        A JPEG file of at most 160 pixels.

    """

    name: str
    label: int
    similarity: float
    thumbnail: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Examples:
    """Training images: their names, classes, features and thumbnails.

    Parameters
    ----------
    names : tuple of str
        Ids in the dataset.
    labels : ndarray of shape (n,), int64
        Their classes.
    features : tuple of ndarray of shape (n, n_features), float16
        One entry per backbone; averages over the views, scaled to length 1.
    thumbnails : tuple of bytes
        JPEG files.

    """

    names: tuple[str, ...]
    labels: NDArray[np.int64]
    features: tuple[NDArray[np.float16], ...]
    thumbnails: tuple[bytes, ...]

    def nearest(self, features: Sequence[Features], count: int = 5) -> list[list[Neighbour]]:
        """Return the most similar examples of each image, the most similar first.

        Parameters
        ----------
        features : sequence of Features
            One entry per backbone of the model; all rows are read.
        count : int, default 5
            How many examples of each image; fewer if the model has fewer.

        """
        rows = np.arange(len(features[0].used_rows))
        # The cosine in concatenated features of equal length is the mean of the cosines.
        cosines = np.mean(
            [
                _directions(each.take_average(rows)) @ own.astype(np.float32).T
                for each, own in zip(features, self.features, strict=True)
            ],
            axis=0,
        )
        order = np.argsort(-cosines, axis=1, kind="stable")[:, :count]
        return [
            [self._neighbour(int(at), float(near[at])) for at in best]
            for best, near in zip(order, cosines, strict=True)
        ]

    def _neighbour(self, at: int, similarity: float) -> Neighbour:
        return Neighbour(
            name=self.names[at],
            label=int(self.labels[at]),
            similarity=similarity,
            thumbnail=self.thumbnails[at],
        )

    def facts(self) -> dict[str, Any]:
        """Return what a manifest says about them."""
        return {"images": len(self.names), "side": SIDE}

    def state(self) -> State:
        """Return what `from_state` takes, without the thumbnails."""
        arrays = {f"features-{i}": each for i, each in enumerate(self.features)}
        return State(values={"names": list(self.names)}, arrays={"labels": self.labels, **arrays})

    def files(self) -> Mapping[str, bytes]:
        """Return the thumbnails by the name of their member in a bundle."""
        return {member(number): each for number, each in enumerate(self.thumbnails)}

    @classmethod
    def from_state(
        cls, state: State, read: Callable[[str], bytes], widths: Sequence[int], n_classes: int
    ) -> Examples:
        """Return the examples of a state.

        Parameters
        ----------
        state : State
            What `state` returned.
        read : callable
            Takes the name of a member and returns its content.
        widths : sequence of int
            Number of features of each backbone of the model.
        n_classes : int
            Number of its classes.

        Raises
        ------
        ValueError
            If the state is invalid.

        """
        names, labels = state.values.get("names"), state.arrays.get("labels")
        if type(names) is not list or not all(type(each) is str for each in names) or len(names) > MOST:
            raise ValueError(f"names must be a list of at most {MOST:,} texts")
        if labels is None or labels.dtype != np.int64 or labels.shape != (len(names),):
            raise ValueError(f"labels must be {len(names)} integers of 64 bits")
        if not ((labels >= 0) & (labels < n_classes)).all():
            raise ValueError(f"labels must be from 0 to {n_classes - 1}")
        features = tuple(state.arrays.get(f"features-{i}") for i in range(len(widths)))
        for number, (each, width) in enumerate(zip(features, widths, strict=True)):
            if each is None or each.dtype != np.float16 or each.shape != (len(names), width):
                raise ValueError(f"features-{number} must be float16 of shape {(len(names), width)}")
            if not np.isfinite(each).all():
                raise ValueError(f"features-{number} has values that are not finite")
        thumbnails = tuple(read(member(number)) for number in range(len(names)))
        known = [each for each in features if each is not None]
        return cls(names=tuple(names), labels=labels, features=tuple(known), thumbnails=thumbnails)


def member(number: int) -> str:
    """Return the name of a thumbnail in a bundle."""
    return f"examples/{number:05}.jpg"


def make_examples(
    features: Sequence[Features],
    labels: NDArray[np.int64],
    names: Sequence[str],
    read: Callable[[int], Image.Image],
    *,
    most: int = MOST,
    reporter: Reporter | None = None,
) -> Examples:
    """Choose examples among training images, and make their thumbnails.

    Parameters
    ----------
    features : sequence of Features
        One entry per backbone, with n images.
    labels : ndarray of shape (n,), int64
        Their classes.
    names : sequence of str
        Their ids.
    read : callable
        Takes the number of an image and returns it in mode RGB. It is called from several threads.
        Images that can no longer be read are left out.
    most : int
        Maximum number of examples.
    reporter : Reporter or None
        Receives progress.

    """
    rows, reporter = chosen_rows(labels, most), reporter or SilentReporter()
    reporter.start(TASK, len(rows))
    made = []
    with ThreadPoolExecutor() as threads:
        for each in threads.map(lambda row: _thumbnail(read, int(row)), rows):
            made.append(each)
            reporter.advance(TASK, 1)
    rows = rows[[each is not None for each in made]]
    return Examples(
        names=tuple(names[row] for row in rows),
        labels=labels[rows].astype(np.int64),
        features=tuple(_directions(each.take_average(rows)).astype(np.float16) for each in features),
        thumbnails=tuple(each for each in made if each is not None),
    )


def chosen_rows(labels: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Return at most so many rows, in order: the first ones of each class, equally many if possible."""
    rank = np.empty(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        own = np.flatnonzero(labels == label)
        rank[own] = np.arange(len(own))
    chosen: NDArray[np.int64] = np.sort(np.argsort(rank, kind="stable")[:most])
    return chosen


def _thumbnail(read: Callable[[int], Image.Image], row: int) -> bytes | None:
    try:
        image = read(row)
    except (OSError, ImageError):
        return None
    return jpeg(image, SIDE)


def jpeg(image: Image.Image, side: int) -> bytes:
    """Return a JPEG file of an image whose longest side has at most so many pixels."""
    small = image.convert("RGB")
    small.thumbnail((side, side))
    # Without metadata: a thumbnail must not carry the place where a photograph was taken.
    small.info.clear()
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=_QUALITY)
    return stream.getvalue()


def _directions(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    found: NDArray[np.float32] = (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return found
