"""Fit a learner on rows of stored features: on an array, or on rows that it reads itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit.api.groups import group_argument
from stackkit.evaluation.features import Features
from stackkit.evaluation.groups import Groups
from stackkit.evaluation.large_folds import is_streamed
from stackkit.evaluation.views import Use, training_labels, training_rows


@dataclass(frozen=True, kw_only=True, eq=False)
class FeatureRows:
    """Rows of the features of a backbone, as `stackkit.api.StoredRows`.

    Parameters
    ----------
    features : Features
        Of one backbone.
    images : ndarray of shape (n_images,), int64
        Numbers of the images to fit on.
    labels, groups : ndarray of shape (n,), int64; `groups` may be None
        See `training_labels`.
    use : {"whole", "rows", "average", "probabilities"}
        What views of an image are for.

    """

    features: Features
    images: NDArray[np.int64]
    labels: NDArray[np.int64]
    groups: Groups | None
    use: Use

    @property
    def n_features(self) -> int:
        """Number of features of a row."""
        return self.features.width

    def read(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Read some rows, (m,) -> (m, n_features)."""
        views, images = np.divmod(rows, len(self.images))
        if self.use == "average":
            return np.ascontiguousarray(self.features.take_average(self.images[images]))
        found = np.empty((len(rows), self.n_features), dtype=np.float32)
        for view in np.unique(views):
            members = views == view
            found[members] = self.features.take(self.images[images[members]], int(view))
        return found


def fit_on(
    learner: Any,
    features: Features,
    images: NDArray[np.int64],
    labels: NDArray[np.int64],
    groups: Groups | None,
    use: Use,
) -> None:
    """Fit a learner on some images, whose `labels` and `groups` have shape (n_images,)."""
    n_rows = len(images) * (features.n_views if use == "rows" else 1)
    if is_streamed(learner, features, n_rows):
        of_rows, grouped = training_labels(features, labels, groups, use)
        learner.fit_stored(
            FeatureRows(features=features, images=images, labels=of_rows, groups=grouped, use=use)
        )
        return
    known = training_rows(features, images, labels, groups, use)
    learner.fit(known.features, known.labels, **group_argument(learner.fit, known.groups))
