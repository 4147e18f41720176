"""One learner on the features of all backbones."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import normalize
from sklearn.utils import gen_batches

from stackkit.api import Learner

_ROWS_AT_ONCE = 1024


class Concat:
    """Fits the run's learner on each backbone's L2-normalised rows, side by side.

    Equals scikit-learn's `ColumnTransformer` with a `Normalizer` for each backbone's columns.
    """

    fit_on: Literal["features"] = "features"

    learner_: Learner

    def fit(
        self, features: Sequence[NDArray[np.float32]], labels: NDArray[np.int64], learner: Learner
    ) -> Concat:
        """Fit an unfitted learner on (n, d) features of each backbone and labels (n,)."""
        learner.fit(side_by_side(features), labels)
        self.learner_ = learner
        return self

    def predict(self, features: Sequence[NDArray[np.float32]]) -> NDArray[np.int64]:
        """(n, d) features of each backbone, in the order of `fit` -> (n,) labels."""
        if not hasattr(self, "learner_"):
            raise ValueError("fit comes before predict")
        return self.learner_.predict(side_by_side(features))


def side_by_side(features: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """(n, d) of each backbone -> (n, sum of d); each part of a row has length 1, or is all zeros.

    Row after row in memory: scikit-learn's learners copy any other layout.
    """
    n = len(features[0])
    edges = [0, *np.cumsum([matrix.shape[1] for matrix in features]).tolist()]
    wide = np.empty((n, edges[-1]), dtype=np.float32)
    for matrix, (left, right) in zip(features, pairwise(edges), strict=True):
        for rows in gen_batches(n, _ROWS_AT_ONCE):  # so that no second copy is ever whole
            wide[rows, left:right] = normalize(matrix[rows])
    return wide
