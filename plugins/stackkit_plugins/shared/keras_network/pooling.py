"""Ways to turn a feature map into one row of features per image.

A network computes what the engines are fast at (`heads`), and NumPy the rest (here), so that every
engine offers every pooling. What the network outputs is called raw columns.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

POOLINGS = ("avg", "max", "gem", "second-order", "box")

MAX_CHANNELS = 127
"""Channels of a covariance at most: its triangle then has 127 * 128 / 2 = 8,128 columns."""

POWER = 3
"""The exponent p of generalized-mean pooling."""

MARGIN = 0.5
"""What is added to a box on each side, in cells of the feature map."""

SLACK = 1e-5
"""Cells count as active from so little below the mean on, relative to the largest value: on an image of
one colour all cells are equal but for rounding, which must not decide."""

_VERSIONS = {"gem": 1, "second-order": 1, "box": 1}
"""Part of the revision. Increase a number when the features of that pooling change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooling:
    """A pooling of one feature map of a network.

    Attributes
    ----------
    kind : {"avg", "max", "gem", "second-order", "box"}
        "avg", "max": mean and maximum of each channel. "gem": the generalized mean of each channel, with
        p = 3. "second-order": the square root of the covariance of the channels. "box": where the
        network looks.
    channels : int
        Channels of the feature map.
    layer : str or None
        Name of the layer that outputs the feature map; None for the last one.

    References
    ----------
    F. Radenović, G. Tolias and O. Chum, "Fine-tuning CNN image retrieval with no human annotation",
    TPAMI 2018, for "gem".

    P. Li, J. Xie, Q. Wang and W. Zuo, "Is second-order information helpful for large-scale visual
    recognition?", ICCV 2017, for the matrix square root of the covariance.

    X.-S. Wei, J.-H. Luo, J. Wu and Z.-H. Zhou, "Selective convolutional descriptor aggregation for
    fine-grained image retrieval", IEEE Transactions on Image Processing 26(6), 2017, for "box".

    """

    kind: str
    channels: int
    layer: str | None = None

    @property
    def revision(self) -> str:
        """Its part of a revision: "pooling=avg", "layer=block4_conv4;pooling=gem-1"."""
        version = f"-{_VERSIONS[self.kind]}" if self.kind in _VERSIONS else ""
        layer = f"layer={self.layer};" if self.layer else ""
        return f"{layer}pooling={self.kind}{version}"

    @property
    def feature_dim(self) -> int:
        """Number of features per image."""
        if self.kind == "box":
            return 4
        if self.kind == "second-order":
            return self.projected * (self.projected + 1) // 2
        return self.channels

    @property
    def projected(self) -> int:
        """Channels of the covariance: all, or as many as a random projection leaves."""
        return min(self.channels, MAX_CHANNELS)

    @property
    def raw_columns(self) -> int | None:
        """Columns that the network outputs; None if that depends on the size of the feature map."""
        return None if self.kind in ("second-order", "box") else self.channels

    def features(self, raw: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the (n, feature_dim) float32 features for the (n, columns) output of the network."""
        if self.kind == "gem":
            return _root(raw)
        if self.kind == "second-order":
            return square_root_of_covariance(raw.reshape(len(raw), -1, self.projected))
        if self.kind == "box":
            return boxes(_square(raw))
        return raw

    def compared(self, raw: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what to compare of two engines, one row per image.

        That is the features, except for boxes: they depend on a threshold, where rounding may move an
        edge by a whole cell. Equal maps have equal boxes.
        """
        return raw if self.kind == "box" else self.features(raw)


def split(poolings: Sequence[Pooling], raw: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Divide the network's output into the raw columns of each pooling.

    Parameters
    ----------
    poolings : sequence of Pooling
        The poolings, in the order of the columns.
    raw : ndarray of shape (n, columns), float32
        Output of the network. If the `raw_columns` of one are None, it begins with one column per
        pooling, which says how many columns that has: no other place knows the size of a feature map.

    """
    widths = [each.raw_columns for each in poolings]
    if None in widths:
        widths = [int(width) for width in raw[0, : len(poolings)]]
        raw = raw[:, len(poolings) :]
    parts, start = [], 0
    for width in widths:
        assert width is not None
        parts.append(raw[:, start : start + width])
        start += width
    return parts


def features_of(poolings: Sequence[Pooling], raw: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the (n, sum of feature_dim) features of all poolings, side by side."""
    import numpy as np

    if len(poolings) == 1 and poolings[0].raw_columns:
        return poolings[0].features(raw)
    parts = zip(poolings, split(poolings, raw), strict=True)
    return np.concatenate([each.features(part) for each, part in parts], axis=1)


def signs(rows: int, columns: int) -> NDArray[np.float32]:
    """Return a (rows, columns) random projection with entries of +-1 / sqrt(columns).

    It is the same on every machine and with every version of NumPy, which promises that for the bits of
    a generator, but not for numbers that are drawn with them.

    References
    ----------
    D. Achlioptas, "Database-friendly random projections: Johnson-Lindenstrauss with binary coins",
    Journal of Computer and System Sciences 66, 2003.

    """
    import numpy as np

    bits = np.random.PCG64(0).random_raw(rows * columns) >> np.uint64(63)
    matrix = np.where(bits, 1.0, -1.0).reshape(rows, columns) / math.sqrt(columns)
    return matrix.astype(np.float32)


def square_root_of_covariance(descriptors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the matrix square root of the covariance of local descriptors.

    Parameters
    ----------
    descriptors : ndarray of shape (n, places, channels), float32
        Centred: each channel of an image has the mean 0.

    Returns
    -------
    ndarray of shape (n, channels * (channels + 1) / 2), float32
        The upper triangle, row by row. Entries off the diagonal are multiplied by sqrt(2), so that the
        dot product of two rows is that of the whole matrices.

    Notes
    -----
    There are often fewer places than channels, and eigenvalues of 0. The root of an eigenvalue there
    magnifies rounding in the covariance, but not in the descriptors: seen from these, the square root is
    Lipschitz with the constant sqrt(2) (H. Araki and S. Yamagami, Communications in Mathematical Physics
    81, 1981). Hence the covariance is computed in float64, and by NumPy instead of an engine.

    """
    import numpy as np
    from threadpoolctl import threadpool_limits

    x = descriptors.astype(np.float64)
    # Each matrix is small: threads of BLAS would wait for each other 10 to 100 times as long as they
    # compute.
    with threadpool_limits(1, user_api="blas"):
        values, vectors = np.linalg.eigh(np.matmul(x.transpose(0, 2, 1), x) / x.shape[1])
        roots = np.sqrt(np.maximum(values, 0))
        matrices = np.matmul(vectors * roots[:, None, :], vectors.transpose(0, 2, 1))
    rows, columns = np.triu_indices(x.shape[2])
    scale = np.where(rows == columns, 1.0, math.sqrt(2))
    triangles: NDArray[np.float32] = (matrices[:, rows, columns] * scale).astype(np.float32)
    return triangles


def boxes(maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return where a network looks: the box of the largest connected region above the mean.

    Parameters
    ----------
    maps : ndarray of shape (n, height, width), float32
        Activations of the feature map, summed over channels.

    Returns
    -------
    ndarray of shape (n, 4), float32
        x and y of the top left corner, width and height, relative to the image: 0..1. Half a cell of
        margin is included.

    """
    import numpy as np

    return np.array([_box(each) for each in maps], np.float32).reshape(-1, 4)


def _box(activations: NDArray[np.float32]) -> tuple[float, float, float, float]:
    import numpy as np
    from scipy import ndimage

    cells = activations.astype(np.float64)
    active = cells >= cells.mean() - SLACK * np.abs(cells).max()
    regions, _ = ndimage.label(active)
    largest = int(np.argmax(np.bincount(regions.ravel())[1:])) + 1
    rows, columns = ndimage.find_objects(regions)[largest - 1]
    top, bottom = _with_margin(rows, cells.shape[0])
    left, right = _with_margin(columns, cells.shape[1])
    return left, top, right - left, bottom - top


def _with_margin(cells: slice, count: int) -> tuple[float, float]:
    return max(0.0, (cells.start - MARGIN) / count), min(1.0, (cells.stop + MARGIN) / count)


def _root(means: NDArray[np.float32]) -> NDArray[np.float32]:
    import numpy as np

    roots: NDArray[np.float32] = np.cbrt(means)
    return roots


def _square(raw: NDArray[np.float32]) -> NDArray[np.float32]:
    side = math.isqrt(raw.shape[1])  # images are square, and so are their feature maps
    return raw.reshape(-1, side, side)
