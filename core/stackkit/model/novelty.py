"""Tell whether an image looks unlike all training images, by its features."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stackkit.api.state import State
from stackkit.evaluation.features import Features

_BLOCK = 64
"""Images that are compared with all class means at a time; bounds memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoveltyDetector:
    """Statistics of the classes in feature space, and how unusual left-out training images are.

    An image's distance is that to the nearest class mean, in standard deviations of the features within
    classes, and the mean over the backbones.

    Parameters
    ----------
    quantile : float
        Images above this novelty count as novel, such as 0.95.
    means : tuple of ndarray of shape (n_known_classes, n_features), float32
        One entry per backbone; in units of `scales`.
    scales : tuple of ndarray of shape (n_features,), float32
        One entry per backbone.
    left_out : ndarray of shape (n,), float64
        Distances of the training images to statistics of other images, in ascending order.

    """

    quantile: float
    means: tuple[NDArray[np.float32], ...] = ()
    scales: tuple[NDArray[np.float32], ...] = ()
    left_out: NDArray[np.float64]

    def novelty(self, features: Sequence[Features]) -> NDArray[np.float64]:
        """Return the share of training images that look less unusual than each image, (n,)."""
        found = _distances(features, np.arange(len(features[0].used_rows)), self.means, self.scales)
        return np.searchsorted(self.left_out, found, side="left") / len(self.left_out)

    def state(self) -> State:
        """Return what `from_state` takes."""
        arrays = {"left_out": self.left_out}
        for name in ("means", "scales"):
            arrays |= {f"{name}-{i}": each for i, each in enumerate(getattr(self, name))}
        return State(values={"quantile": self.quantile}, arrays=arrays)

    @classmethod
    def from_state(cls, state: State) -> NoveltyDetector:
        """Return the detector of a state; raises ValueError for an invalid one."""
        arrays, quantile = state.arrays, state.values.get("quantile")
        count = (len(arrays) - 1) // 2
        try:
            means = tuple(arrays[f"means-{i}"] for i in range(count))
            scales = tuple(arrays[f"scales-{i}"] for i in range(count))
            left_out = arrays["left_out"]
        except KeyError as error:
            raise ValueError(f"the novelty's array {error} is missing") from error
        shapes = all(m.ndim == 2 and m.shape[1:] == s.shape for m, s in zip(means, scales, strict=True))
        if type(quantile) is not float or not shapes or left_out.ndim != 1 or not len(left_out):
            raise ValueError("the arrays of the novelty do not fit each other")
        return cls(quantile=quantile, means=means, scales=scales, left_out=left_out)


def fit_novelty(
    features: Sequence[Features],
    labels: NDArray[np.int64],
    folds: NDArray[np.int64],
    *,
    quantile: float = 0.95,
) -> NoveltyDetector:
    """Describe the classes, and measure images with statistics of the other folds.

    Parameters
    ----------
    features : sequence of Features
        One entry per backbone, with n images.
    labels, folds : ndarray of shape (n,), int64
        Labels of the images, and the fold that leaves each one out.
    quantile : float
        Share of images like the training images that do not count as novel.

    """
    everything = np.arange(len(labels))
    left_out = np.empty(len(labels))
    for fold in np.unique(folds):
        known, own = everything[folds != fold], everything[folds == fold]
        left_out[own] = _distances(features, own, *_statistics(features, known, labels))
    means, scales = _statistics(features, everything, labels)
    return NoveltyDetector(quantile=quantile, means=means, scales=scales, left_out=np.sort(left_out))


def _statistics(
    features: Sequence[Features], rows: NDArray[np.int64], labels: NDArray[np.int64]
) -> tuple[tuple[NDArray[np.float32], ...], tuple[NDArray[np.float32], ...]]:
    known, column = np.unique(labels[rows], return_inverse=True)
    means, scales = [], []
    for each in features:
        X = each.take_average(rows).astype(np.float64)
        mean = np.stack([X[column == k].mean(axis=0) for k in range(len(known))])
        scale = np.sqrt(((X - mean[column]) ** 2).mean(axis=0))
        scale = np.maximum(scale, scale.mean() or 1)
        means.append((mean / scale).astype(np.float32))
        scales.append(scale.astype(np.float32))
    return tuple(means), tuple(scales)


def _distances(
    features: Sequence[Features],
    rows: NDArray[np.int64],
    means: Sequence[NDArray[np.float32]],
    scales: Sequence[NDArray[np.float32]],
) -> NDArray[np.float64]:
    """Return the distances of some images to the nearest class, (n_rows,)."""
    total = np.zeros(len(rows))
    for each, mean, scale in zip(features, means, scales, strict=True):
        X = each.take_average(rows) / scale
        for start in range(0, len(rows), _BLOCK):
            squares = ((X[start : start + _BLOCK, None] - mean) ** 2).mean(axis=2, dtype=np.float64)
            total[start : start + _BLOCK] += np.sqrt(squares.min(axis=1))
    return total / len(features)
