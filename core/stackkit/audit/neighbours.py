"""Find the images with the most similar features, without a matrix of all pairs in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from stackkit.api.reporter import Reporter
from stackkit.audit.directions import directions
from stackkit.evaluation.features import Features

TASK = "comparing images"
"""Name of the progress bar."""

BLOCK = 1024
"""Images that are compared with as many others at a time; 4 MB for their similarities."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """The most similar images of each image.

    Parameters
    ----------
    rows : ndarray of shape (n, k), int64
        The k most similar other images, the most similar first.
    similarity : ndarray of shape (n, k), float32
        Cosine of the angle between the features of both, from -1 to 1; the mean over the backbones.

    """

    rows: NDArray[np.int64]
    similarity: NDArray[np.float32]


def nearest_images(features: Sequence[Features], k: int, reporter: Reporter) -> Neighbours:
    """Compare every image with every other one.

    Parameters
    ----------
    features : sequence of Features
        One entry per backbone, all of the same n images. Several views count by their mean.
    k : int
        Number of neighbours; fewer if there are fewer other images.
    reporter : Reporter
        Receives progress.

    Returns
    -------
    Neighbours
        Time grows with the square of n, memory only with n.

    """
    count = len(features[0].used_rows)
    k = max(min(k, count - 1), 0)
    rows = np.zeros((count, k), np.int64)
    similarity = np.full((count, k), -np.inf, np.float32)
    reporter.start(TASK, count)
    for number, block in enumerate(_blocks(count)):
        ours = _directions(features, block)
        for other in islice(_blocks(count), number, None):  # earlier ones were compared with this one
            theirs = ours if other[0] == block[0] else _directions(features, other)
            found = np.mean([a @ b.T for a, b in zip(ours, theirs, strict=True)], axis=0)
            if other[0] == block[0]:
                np.fill_diagonal(found, -np.inf)  # no image is its own neighbour
            else:
                _keep_best(rows, similarity, other, block, found.T)
            _keep_best(rows, similarity, block, other, found)
        reporter.advance(TASK, len(block))
    return Neighbours(rows=rows, similarity=similarity)


def _blocks(count: int) -> Iterator[NDArray[np.int64]]:
    for start in range(0, count, BLOCK):
        yield np.arange(start, min(start + BLOCK, count))


def _directions(features: Sequence[Features], rows: NDArray[np.int64]) -> list[NDArray[np.float32]]:
    return [directions(each.take_average(rows)) for each in features]


def _keep_best(
    rows: NDArray[np.int64],
    similarity: NDArray[np.float32],
    block: NDArray[np.int64],
    other: NDArray[np.int64],
    found: NDArray[np.float32],
) -> None:
    """Merge the similarities of a block to others, (n_block, n_others), into what is known."""
    k = rows.shape[1]
    if k == 0:
        return
    # Later images of equal similarity do not replace earlier ones, so most rows stay as they are.
    better = np.flatnonzero(found.max(axis=1) > similarity[block, -1])
    block, found = block[better], found[better]
    both = np.concatenate([similarity[block], found], axis=1)
    names = np.concatenate([rows[block], np.broadcast_to(other, found.shape)], axis=1)
    # Stable, so that equal similarities keep the order of the dataset.
    best = np.argsort(-both, axis=1, kind="stable")[:, :k]
    similarity[block] = np.take_along_axis(both, best, axis=1)
    rows[block] = np.take_along_axis(names, best, axis=1)
