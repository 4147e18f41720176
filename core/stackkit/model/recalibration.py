"""Find the temperature of an updated stack on new images, by updates that leave some of them out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stackkit.api.errors import EvaluationError
from stackkit.evaluation.features import Features
from stackkit.evaluation.folds import Fold, inner_folds
from stackkit.evaluation.groups import Groups
from stackkit.evaluation.out_of_fold import OutOfFold
from stackkit.model.stack import Stack, StackAnswers
from stackkit.model.updating import updated_stack

LEAST_IMAGES = 100
"""With fewer new images, a temperature found on them varies more than an update changes it."""

LEAST_SHARE = 1 / 3
"""With a smaller share of new images, the temperature before is closer than one found on them."""

FOLDS = 5


def represent(labels: NDArray[np.int64], n_before: int, n_classes: int) -> bool:
    """Return whether new images are enough, and of enough classes, to calibrate a stack on.

    Parameters
    ----------
    labels : ndarray of shape (n,), int64
        Their labels.
    n_before : int
        Number of images that the stack was fitted on.
    n_classes : int
        Number of classes, old and new.

    """
    enough = max(LEAST_IMAGES, LEAST_SHARE * (n_before + len(labels)))
    return len(labels) >= enough and len(np.unique(labels)) >= n_classes / 2


def left_out_answers(
    stack: Stack,
    features: Sequence[Features],
    labels: NDArray[np.int64],
    n_classes: int,
    groups: Groups | None,
) -> OutOfFold | None:
    """Return what a stack says about new images that it is not updated with, but with the others.

    Parameters
    ----------
    stack : Stack
        One that `check_updatable` accepts.
    features, labels, n_classes
        As for `updated_stack`.
    groups : ndarray of shape (n,), int64, or None
        Images of a group are left out together.

    Returns
    -------
    OutOfFold or None
        None if the images cannot be divided.

    """
    try:
        folds = inner_folds(labels, FOLDS, seed=0, groups=groups)
    except EvaluationError:
        return None
    n = len(labels)
    number, predicted = np.zeros(n, np.int64), np.zeros(n, np.int64)
    scores = np.zeros((n, n_classes))
    for at, fold in enumerate(folds):
        answers = _without(stack, features, labels, n_classes, fold)
        number[fold.test], predicted[fold.test] = at, answers.labels
        scores[fold.test] = answers.scores
    found = OutOfFold(rows=np.arange(n), folds=number, labels=labels, predicted=predicted, scores=scores)
    return found.of_known_classes()


def _without(
    stack: Stack, features: Sequence[Features], labels: NDArray[np.int64], n_classes: int, fold: Fold
) -> StackAnswers:
    train, test = ([_rows(each, part) for each in features] for part in fold.both)
    return updated_stack(stack, train, labels[fold.train], n_classes).answer(test)


def _rows(features: Features, rows: NDArray[np.int64]) -> Features:
    return replace(features, used_rows=features.used_rows[rows])
