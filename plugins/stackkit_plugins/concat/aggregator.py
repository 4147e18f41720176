"""Fit one learner on the concatenated features of all backbones."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from stackkit.api import Learner, group_argument
from stackkit_plugins.shared.linear_learners.fitted import unit_rows
from stackkit_plugins.shared.probabilities import batches


class Concat:
    """Fit the run's learner on the L2-normalised features of all backbones, side by side.

    Equivalent to scikit-learn's `ColumnTransformer` with one `Normalizer` for each backbone's
    columns, followed by the learner.
    """

    fit_on: Literal["features"] = "features"

    learner_: Learner
    widths_: list[int]

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
        self.widths_ = [matrix.shape[1] for matrix in features]
        return self

    def predict(self, features: Sequence[NDArray[np.float32]]) -> NDArray[np.int64]:
        """One (n_samples, feature_dim) array per backbone, in `fit`'s order -> (n_samples,) labels."""
        if not hasattr(self, "learner_"):
            raise ValueError("call fit before predict")
        return self.learner_.predict(self._wide(features))

    def __getattr__(self, name: str) -> Any:
        """Return `predict_proba`, `decision_function` or `classes_` if the learner has it."""
        learner = vars(self).get("learner_")
        if learner is not None and name == "classes_":
            return learner.classes_
        if learner is not None and name in ("predict_proba", "decision_function"):
            method = getattr(learner, name)
            return lambda features: method(self._wide(features))
        raise AttributeError(f"Concat has no {name}")

    def _wide(self, features: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        widths = [matrix.shape[1] for matrix in features]
        if widths != self.widths_:
            raise ValueError(f"fitted on features of widths {self.widths_}, got {widths}")
        return concatenate_normalised(features)


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
        for rows in batches(n):
            wide[rows, left:right] = unit_rows(matrix[rows])
    return wide
