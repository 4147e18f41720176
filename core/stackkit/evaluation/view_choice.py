"""Choose within the training rows whether a learner uses views of the images or whole images alone.

A look at a part of an image helps where classes differ in details, and does harm where the part cuts off
what tells them apart. Which of both, the training images say: every choice predicts training images that
it was not fitted on, and the one with the lower loss is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit.api.errors import EvaluationError
from stackkit.evaluation.features import Features
from stackkit.evaluation.folds import Fold, inner_folds
from stackkit.evaluation.groups import Groups, numbered
from stackkit.evaluation.stored_rows import fit_on
from stackkit.evaluation.views import Use, labels_by_vote, one_row_each, probabilities_of

FOLDS = 3
"""Number of folds in which training images are left out."""

SEED = 0
"""Seed of these folds; fixed, so that the choice depends on the training rows only."""

LEAST = 1e-6
"""Probabilities below count as this one: one image must not decide."""

CHOICES: tuple[Use, ...] = ("rows", "whole")
"""The first one wins ties."""


def chosen_use(
    create: Callable[[], Any],
    features: Features,
    rows: NDArray[np.int64],
    labels: NDArray[np.int64],
    groups: Groups | None,
    n_classes: int,
    *,
    probabilities: bool,
) -> Use:
    """Return the use of views with the lowest loss on training images that were left out.

    Parameters
    ----------
    create : callable
        Makes an unfitted learner.
    features, n_classes : Features, int
        Features of all images and views, and the number of classes of the dataset.
    rows, labels, groups : ndarray of shape (n_train,), int64; `groups` may be None
        The training rows, their labels, and their groups, which are left out together.
    probabilities : bool
        Whether the learner has probabilities: the loss is the log-loss, else the share of errors.

    Returns
    -------
    {"rows", "whole"}
        "rows" if there are too few images to leave any out.

    """
    known = None if groups is None else numbered(groups)
    try:
        folds = inner_folds(labels, FOLDS, seed=SEED, groups=known)
    except EvaluationError:
        return CHOICES[0]

    def losses(fold: Fold, use: Use) -> NDArray[Any]:
        of_fold = None if known is None else known[fold.train]
        learner = create()
        fit_on(learner, features, rows[fold.train], labels[fold.train], of_fold, use)
        # Images of a class that the fold's learner does not know say nothing about the choice.
        tested = fold.test[np.isin(labels[fold.test], labels[fold.train])]
        if probabilities:
            found = probabilities_of(learner, features, rows[tested], n_classes, use)
            return _log_losses(found, labels[tested])
        return _errors(learner, features, rows[tested], labels[tested], n_classes, use)

    return min(CHOICES, key=lambda use: np.mean(np.concatenate([losses(fold, use) for fold in folds])))


def _log_losses(found: NDArray[np.floating], labels: NDArray[np.int64]) -> NDArray[np.floating]:
    of_truth = found[np.arange(len(labels)), labels]
    losses: NDArray[np.floating] = -np.log(np.maximum(of_truth, LEAST))
    return losses


def _errors(
    learner: Any,
    features: Features,
    rows: NDArray[np.int64],
    labels: NDArray[np.int64],
    n_classes: int,
    use: Use,
) -> NDArray[np.bool_]:
    """Return which images a learner without probabilities labels wrongly."""
    if use == "rows":
        found = labels_by_vote(learner, features, rows, n_classes)
    else:
        found = np.asarray(learner.predict(one_row_each(features, rows, use)))
    wrong: NDArray[np.bool_] = found != labels
    return wrong
