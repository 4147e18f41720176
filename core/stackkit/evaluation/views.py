"""Fit a learner on several views of each image, and combine what it predicts for them.

The option `views` of a learner says what the views are for. With one view, all values are the same.

- `rows`: every view is a training row with the image's label, and the views' probabilities are averaged
  at prediction, as in test-time augmentation (Krizhevsky, Sutskever, Hinton: "ImageNet classification
  with deep convolutional neural networks", 2012).
- `average`: the mean of the views' features describes the image, in training and at prediction.
- `probabilities`: the whole image is the training row, and the views' probabilities are averaged.
- `auto`: `rows`, or whole images alone, whichever predicts left-out training images better; see
  `view_choice`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stackkit.evaluation.features import Features
from stackkit.evaluation.groups import Groups, numbered
from stackkit.evaluation.large_folds import predicted_together
from stackkit.evaluation.probabilities import Probabilities, checked_labels, class_probabilities
from stackkit.host.configured_component import ConfiguredComponent
from stackkit.host.host_options import VIEWS_OF_LEARNER

Use = Literal["whole", "rows", "average", "probabilities"]
"""What views are for; "whole" if only whole images are used."""

DeclaredUse: TypeAlias = Use | Literal["auto"]
"""What the option says that views are for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRows:
    """What a learner is fitted on.

    Parameters
    ----------
    features : ndarray of shape (n, n_features), float32
        In Fortran order.
    labels : ndarray of shape (n,), int64
        Labels.
    groups : ndarray of shape (n,), int64, or None
        Views of one image have one group, and so have images of one group; None if no rows share one.

    """

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    groups: Groups | None


def use_of_views(learner: ConfiguredComponent, features: Features) -> DeclaredUse:
    """Return what the learner does with the views that there are; "auto" if that is to be chosen."""
    if features.n_views == 1:
        return "whole"
    return learner.host_option(VIEWS_OF_LEARNER)  # type: ignore[return-value]


def training_rows(
    features: Features,
    rows: NDArray[np.int64],
    labels: NDArray[np.int64],
    groups: Groups | None,
    use: Use,
) -> TrainingRows:
    """Copy the features of some rows (n_rows,), with the labels and groups of the same rows."""
    known, grouped = training_labels(features, labels, groups, use)
    if use == "rows":
        return TrainingRows(features=features.take_all_views(rows), labels=known, groups=grouped)
    return TrainingRows(features=one_row_each(features, rows, use), labels=known, groups=grouped)


def training_labels(
    features: Features, labels: NDArray[np.int64], groups: Groups | None, use: Use
) -> tuple[NDArray[np.int64], Groups | None]:
    """Return the labels and groups of all training rows, (n,), from those of the images.

    If `use` is "rows", an image has `n_views` rows in one group, and n is that many times larger: all
    images in one view, then all in the next.
    """
    # Renumbered, so that a result does not depend on groups of rows that the fit does not see.
    known = None if groups is None else numbered(groups)
    if use != "rows":
        return labels, known
    each_alone = np.arange(len(labels)) if known is None else known
    return np.tile(labels, features.n_views), np.tile(each_alone, features.n_views)


def probabilities_of(
    learner: Any, features: Features, rows: NDArray[np.int64], n_classes: int, use: Use
) -> Probabilities:
    """Return a fitted learner's probabilities of some images, (n_rows, n_classes)."""
    found = [
        _probabilities_of(learner, features, part, n_classes, use)
        for part in predicted_together(learner, features, rows)
    ]
    return found[0] if len(found) == 1 else np.concatenate(found)


def _probabilities_of(
    learner: Any, features: Features, rows: NDArray[np.int64], n_classes: int, use: Use
) -> Probabilities:
    if use in ("whole", "average"):
        return class_probabilities(learner, one_row_each(features, rows, use), n_classes)
    views = range(features.n_views)  # one after the other, so that one view is in memory at a time
    each = [class_probabilities(learner, features.take(rows, view), n_classes) for view in views]
    mean: Probabilities = np.mean(each, axis=0)
    return mean


def one_row_each(features: Features, rows: NDArray[np.int64], use: Use) -> NDArray[np.float32]:
    """Return the features of some images, (n_rows, n_features): of whole images, or averaged."""
    return features.take_average(rows) if use == "average" else features.take(rows)


def labels_by_vote(
    learner: Any, features: Features, rows: NDArray[np.int64], n_classes: int
) -> NDArray[np.int64]:
    """Return the labels that a fitted learner without probabilities gives to some images.

    Its decision values are averaged over the views, if it has one for each class and decides by them,
    as scikit-learn's linear classifiers do. Otherwise the views vote, and the whole image's label wins
    ties.

    Returns
    -------
    ndarray of shape (n_rows,), int64
        Labels from 0 to n_classes - 1.

    """
    labels, values = [], []
    for view in range(features.n_views):
        X = features.take(rows, view)
        labels.append(checked_labels(learner.predict(X), len(X), n_classes))
        values.append(_decision_values(learner, X, labels[-1]))
    present = [each for each in values if each is not None]
    if len(present) == len(values):
        return _decided(np.mean(present, axis=0), learner.classes_)
    votes = np.sum([np.eye(n_classes)[each] for each in labels], axis=0)
    votes[np.arange(len(rows)), labels[0]] += 0.5
    winners: NDArray[np.int64] = votes.argmax(axis=1)
    return winners


def _decision_values(
    learner: Any, X: NDArray[np.float32], labels: NDArray[np.int64]
) -> NDArray[np.floating] | None:
    """Return decision values (n, n_classes), or (n,) for two classes; None if `labels` differ."""
    if not (hasattr(learner, "decision_function") and hasattr(learner, "classes_")):
        return None
    values = np.asarray(learner.decision_function(X))
    known = len(learner.classes_)
    if values.shape != ((len(X),) if known == 2 else (len(X), known)):
        return None
    return values if np.array_equal(_decided(values, learner.classes_), labels) else None


def _decided(values: NDArray[np.floating], classes: NDArray[np.int64]) -> NDArray[np.int64]:
    columns = (values > 0).astype(np.int64) if values.ndim == 1 else values.argmax(axis=1)
    decided: NDArray[np.int64] = np.asarray(classes)[columns]
    return decided
