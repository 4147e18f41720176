"""Fit one learner on the concatenated features of all backbones."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import normalize
from sklearn.utils import gen_batches

from stackkit.api import Learner, group_argument

_CHUNK_ROWS = 1024


class Concat:
    """Fit the run's learner on the L2-normalised features of all backbones, side by side.

    Equivalent to scikit-learn's `ColumnTransformer` with one `Normalizer` for each backbone's
    columns, followed by the learner.
    """

    fit_on: Literal["features"] = "features"

    learner_: Learner

    def fit(
        self,
        features: Sequence[NDArray[np.float32]],
        labels: NDArray[np.int64],
        learner: Learner,
        groups: NDArray[np.int64] | None = None,
    ) -> Self:
        """Fit the learner.

        Parameters
        ----------
        features : sequence of ndarray of shape (n_samples, feature_dim)
            One array for each backbone.
        labels : ndarray of shape (n_samples,)
            Indices of the classes.
        learner : Learner
            Not fitted yet; it is fitted in place.
        groups : ndarray of shape (n_samples,) or None
            Groups of the rows, for a learner that takes them.

        """
        learner.fit(concatenate_normalised(features), labels, **group_argument(learner.fit, groups))
        self.learner_ = learner
        return self

    def predict(self, features: Sequence[NDArray[np.float32]]) -> NDArray[np.int64]:
        """One (n_samples, feature_dim) array per backbone, in `fit`'s order -> (n_samples,) labels."""
        if not hasattr(self, "learner_"):
            raise ValueError("call fit before predict")
        return self.learner_.predict(concatenate_normalised(features))


def concatenate_normalised(features: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Scale each backbone's rows to Euclidean length 1 and place them side by side.

    Parameters
    ----------
    features : sequence of ndarray of shape (n_samples, feature_dim)
        One array for each backbone.

    Returns
    -------
    ndarray of shape (n_samples, sum of feature_dim), float32, C-contiguous
        Rows of zeros stay zero.

    """
    n = len(features[0])
    edges = [0, *np.cumsum([matrix.shape[1] for matrix in features]).tolist()]
    # C order, since scikit-learn's learners copy arrays of any other layout.
    wide = np.empty((n, edges[-1]), dtype=np.float32)
    for matrix, (left, right) in zip(features, pairwise(edges), strict=True):
        # In chunks, so that no complete second copy of the features is ever in memory.
        for rows in gen_batches(n, _CHUNK_ROWS):
            wide[rows, left:right] = normalize(matrix[rows])
    return wide
