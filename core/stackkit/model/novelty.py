"""Tell whether an image looks unlike all training images, by its features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit.api.state import State
from stackkit.evaluation.features import Features

BLOCK = 512
"""Images that are compared with the classes at a time; bounds memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoveltyDetector:
    """Directions of the classes in feature space, and how far left-out training images are from them.

    The distance of an image is 1 minus the cosine of the angle between its features, averaged over the
    views, and the nearest class mean. Those of several backbones are divided by `units` and averaged.

    Parameters
    ----------
    quantile : float
        Images above this novelty count as novel, such as 0.95.
    means : tuple of ndarray of shape (n_known_classes, n_features), float32
        Mean features of the classes with length 1, one entry per backbone.
    units : ndarray of shape (n_backbones,), float64
        Median distance of left-out training images.
    left_out : ndarray of shape (n,), float64
        Distances of the training images to means of other images, in ascending order.

    """

    quantile: float
    means: tuple[NDArray[np.float32], ...]
    units: NDArray[np.float64]
    left_out: NDArray[np.float64]

    def novelty(self, features: Sequence[Features]) -> NDArray[np.float64]:
        """Return the share of training images that look less unusual than each image.

        Parameters
        ----------
        features : sequence of Features
            One entry per backbone; all rows are read.

        Returns
        -------
        ndarray of shape (n,), float64
            From 0 to 1.

        """
        rows = np.arange(len(features[0].used_rows))
        each = [_distances(one, rows, mean) for one, mean in zip(features, self.means, strict=True)]
        found = np.mean(np.stack(each) / self.units[:, None], axis=0)
        less = np.asarray(np.searchsorted(self.left_out, found, side="left"), dtype=np.float64)
        return less / len(self.left_out)

    def state(self) -> State:
        """Return what `from_state` takes."""
        means = {f"means-{i}": each for i, each in enumerate(self.means)}
        return State(
            values={"quantile": self.quantile},
            arrays={"left_out": self.left_out, "units": self.units, **means},
        )

    @classmethod
    def from_state(cls, state: State) -> NoveltyDetector:
        """Return the detector of a state; raises ValueError for an invalid one."""
        quantile, arrays = state.values.get("quantile"), state.arrays
        if type(quantile) is not float or not 0 <= quantile <= 1:
            raise ValueError(f"quantile must be a number from 0 to 1, got {quantile!r:.50}")
        left_out = _checked(state, "left_out", 1, np.float64)
        units = _checked(state, "units", 1, np.float64)
        means = tuple(_checked(state, f"means-{i}", 2, np.float32) for i in range(len(units)))
        if len(arrays) != 2 + len(means):
            raise ValueError(f"expected {2 + len(means)} arrays, got {len(arrays)}")
        if not (units > 0).all() or (np.diff(left_out) < 0).any():
            raise ValueError("units must be above 0, and left_out in ascending order")
        return cls(quantile=quantile, means=means, units=units, left_out=left_out)


def _checked(state: State, name: str, ndim: int, dtype: type) -> NDArray[Any]:
    array = state.arrays.get(name)
    if array is None or array.ndim != ndim or array.dtype != dtype or not array.size:
        raise ValueError(
            f"{name} must be a {ndim}-dimensional array of {dtype.__name__} that is not empty"
        )
    if not np.isfinite(array).all():
        raise ValueError(f"{name} has values that are not finite")
    return array


def fit_novelty(
    features: Sequence[Features],
    labels: NDArray[np.int64],
    folds: NDArray[np.int64],
    *,
    quantile: float = 0.95,
) -> NoveltyDetector:
    """Describe the classes, and measure each training image by means of the other folds.

    Parameters
    ----------
    features : sequence of Features
        One entry per backbone, with n images.
    labels, folds : ndarray of shape (n,), int64
        Labels of the images, and the fold that leaves each one out; at least two folds.
    quantile : float, default 0.95
        Share of images like the training images that do not count as novel.

    Notes
    -----
    Images are measured by means of other images because an image is near to a mean that it is part of,
    the more so the smaller its class: the threshold would be too low, and many new images novel. If a
    class is in one fold only, its images count by their distance to the nearest other class.

    References
    ----------
    `docs/explanation/trust.md` compares this with the distances of Lee et al. (2018) and Sun et al.
    (2022), which need more memory and find the same images.

    """
    everything = np.arange(len(labels))
    left_out = np.empty((len(features), len(labels)))
    for fold in np.unique(folds):
        known, own = everything[folds != fold], everything[folds == fold]
        for number, each in enumerate(features):
            left_out[number, own] = _distances(each, own, _means(each, known, labels))
    medians = np.median(left_out, axis=1)
    units = np.where(medians > 0, medians, 1.0)
    return NoveltyDetector(
        quantile=quantile,
        means=tuple(_means(each, everything, labels) for each in features),
        units=units,
        left_out=np.sort(np.mean(left_out / units[:, None], axis=0)),
    )


def _means(
    features: Features, rows: NDArray[np.int64], labels: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return the mean directions of the classes that some rows have, (n_known_classes, n_features)."""
    known, column = np.unique(labels[rows], return_inverse=True)
    sums = np.zeros((len(known), features.width))
    for start in range(0, len(rows), BLOCK):
        block = slice(start, start + BLOCK)
        np.add.at(sums, column[block], directions_of(features.take_average(rows[block])))
    return directions_of(sums).astype(np.float32)


def _distances(
    features: Features, rows: NDArray[np.int64], means: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return the distances of some images to the nearest class, from 0 to 2, (n_rows,)."""
    found = np.empty(len(rows))
    for start in range(0, len(rows), BLOCK):
        block = slice(start, start + BLOCK)
        found[block] = (directions_of(features.take_average(rows[block])) @ means.T).max(axis=1)
    return np.maximum(1 - found, 0)


def directions_of(vectors: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return vectors scaled to length 1; one of zeros stays as it is."""
    exact = vectors.astype(np.float64)
    lengths = np.linalg.norm(exact, axis=1, keepdims=True)
    directions: NDArray[np.float64] = exact / np.where(lengths > 0, lengths, 1.0)
    return directions
