"""Place images on a plane so that those with similar features are near each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from stackkit.audit.directions import directions
from stackkit.evaluation.features import Features
from stackkit.evidence.evidence import FeatureMap

MOST = 1_500
"""Number of images on a map; of more, a sample with the same shares of the classes is taken."""

_FEW = 50
"""Images up to which principal components are shown: t-SNE needs neighbourhoods."""

_COMPONENTS = 50
_PERPLEXITY = 30


def feature_map(
    features: Sequence[Features], rows: NDArray[np.int64], labels: NDArray[np.int64]
) -> FeatureMap | None:
    """Compute a map of images from the features of all backbones.

    Parameters
    ----------
    features : sequence of Features
        One entry per backbone.
    rows : ndarray of shape (n_images,), int64
        Row of each image in the features; -1 if it has none.
    labels : ndarray of shape (n_images,), int64
        Classes, for the sample.

    Returns
    -------
    FeatureMap or None
        `image` counts in `rows`. None with fewer than three images, or if all have the
        same features. Equal for equal features: the seed
        is fixed.

    Notes
    -----
    The features of each backbone are scaled to unit length and put side by side; their first 50
    principal components go through t-SNE. Distances between far groups mean little.

    References
    ----------
    L. van der Maaten and G. Hinton, "Visualizing data using t-SNE", Journal of Machine Learning Research
    9, 2008. D. Kobak and P. Berens, "The art of using t-SNE for single-cell transcriptomics", Nature
    Communications 10, 2019, for the principal components as its start.

    """
    there = np.flatnonzero(rows >= 0)
    image = there[stratified(labels[there], MOST)]
    if len(image) < 3:
        return None
    matrix = np.hstack([directions(one.take_average(rows[image])) for one in features])
    if not np.ptp(matrix, axis=0).any():
        return None
    # One thread: for 1,000 images, two take three times as long, and ten times as much of the CPU.
    with threadpool_limits(1):
        points, method = _placed(matrix)
    names = (
        ", ".join(one.label for one in features) if len(features) <= 3 else f"{len(features)} networks"
    )
    return FeatureMap(image=image, points=points, method=f"{method} of {names}")


def stratified(labels: NDArray[np.int64], most: int, seed: int = 0) -> NDArray[np.int64]:
    """Return positions of at most `most` images, ascending, with the shares of the classes.

    Each class has at least one image, as long as there are no more classes than `most`.
    """
    if len(labels) <= most:
        return np.arange(len(labels))
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    place = np.empty(len(labels))
    for label in np.unique(labels):
        own = shuffled[labels[shuffled] == label]
        place[own] = np.arange(len(own)) / len(own)  # 0 for one of each class, and evenly on to 1
    return np.sort(np.argsort(place, kind="stable")[:most])


def _placed(matrix: NDArray[np.float32]) -> tuple[NDArray[np.float32], str]:
    """Return a point for each row, (n, 2) float32, and how they were found."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    n_images = len(matrix)
    n_components = min(_COMPONENTS, n_images, matrix.shape[1])
    parts = PCA(n_components, svd_solver="randomized", random_state=0).fit_transform(matrix)
    if n_images <= _FEW or n_components < 2:
        points = np.zeros((n_images, 2), np.float32)
        points[:, : parts.shape[1]] = parts[:, :2]
        return points, "principal components"
    perplexity = min(_PERPLEXITY, (n_images - 1) / 3)
    embedding = TSNE(perplexity=perplexity, init="pca", random_state=0, max_iter=500)
    return embedding.fit_transform(parts).astype(np.float32), "t-SNE"
