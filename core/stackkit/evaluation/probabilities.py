"""Check class probabilities of learners and arrange them for aggregators; arrays only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stackkit.api.aggregator import FitOn
from stackkit.api.errors import PluginError
from stackkit.evaluation.folds import Fold

Probabilities: TypeAlias = NDArray[np.floating]
"""float32 or float64, as the learner returned them: the published recipe averages float32 in float32."""


SUM_TOLERANCE = 1e-3
"""How much a row's sum may differ from 1; float32 over 1,000 classes errs by 1e-5."""


TIE = 1e-6
"""Probabilities that differ by less are equal: `predict` may break a tie in another way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldProbabilities:
    """Class probabilities of all learners in one fold.

    Parameters
    ----------
    in_sample : ndarray of shape (n_learners, n_train, n_classes)
        Of the training rows, by learners that were fitted on these rows.
    out_of_fold : ndarray of shape (n_learners, n_train, n_classes) or None
        Of the training rows, each by a learner that was not fitted on it. None if no aggregator uses
        them.
    test : ndarray of shape (n_learners, n_test, n_classes)
        Of the test rows, by learners that were fitted on all training rows.
    test_averaged : ndarray of shape (n_learners, n_test, n_classes) or None
        Of the test rows, the mean over the learners of the inner folds. None if learners are refitted.

    """

    in_sample: Probabilities
    out_of_fold: Probabilities | None
    test: Probabilities
    test_averaged: Probabilities | None = None

    def for_aggregator(self, fit_on: FitOn) -> tuple[Probabilities, Probabilities]:
        """Return what an aggregator is fitted on and what it predicts from, given its `fit_on`.

        Raises
        ------
        ValueError
            If `fit_on` is "out-of-fold" and there are no out-of-fold probabilities. In-sample ones never
            take their place.

        """
        if fit_on == "in-sample":
            return self.in_sample, self.test
        if self.out_of_fold is None:
            raise ValueError(
                "fit_on=out-of-fold needs out-of-fold probabilities, and none were computed"
            )
        return self.out_of_fold, self.test if self.test_averaged is None else self.test_averaged


def out_of_fold(parts: Sequence[Probabilities], folds: Sequence[Fold]) -> Probabilities:
    """Put the probabilities of all inner folds back into the order of the training rows.

    Parameters
    ----------
    parts : sequence of ndarray, each of shape (n_held_out, n_classes)
        `parts[k]` belongs to the rows `folds[k].test`.
    folds : sequence of Fold
        Inner folds; every row is in exactly one of their test parts.

    Returns
    -------
    ndarray of shape (n_train, n_classes)
        Row i holds the probabilities of training row i.

    """
    rows = np.concatenate([fold.test for fold in folds])
    ordered: Probabilities = np.concatenate(parts)[np.argsort(rows)]
    return ordered


def without_information(
    probabilities: Probabilities, rows: NDArray[np.int64], labels: NDArray[np.int64]
) -> Probabilities:
    """Give some rows the same probability for every class.

    The only image of a class is predicted by a learner that was fitted without the class, and that gives
    it the probability 0. An aggregator that is fitted on such rows learns that its learners are
    confidently wrong, which is true of no image that it will predict. With equal probabilities, all
    learners and all their mixtures do equally well on the row, so it favours none of them, and the class
    remains one that aggregators may predict.

    Parameters
    ----------
    probabilities : ndarray of shape (n_train, n_classes)
        Out-of-fold probabilities of one learner.
    rows : ndarray of int64
        Rows to replace.
    labels : ndarray of shape (n_train,), int64
        Labels of all rows; other classes keep the probability 0.

    Returns
    -------
    ndarray of shape (n_train, n_classes)
        `probabilities` itself if there are no rows to replace, else a copy.

    """
    if not len(rows):
        return probabilities
    seen = np.unique(labels)
    replaced = probabilities.copy()
    replaced[rows] = 0
    replaced[np.ix_(rows, seen)] = 1 / len(seen)
    return replaced


def class_probabilities(learner: Any, X: NDArray[np.float32], n_classes: int) -> Probabilities:
    """Ask a fitted learner for probabilities and give every class its own column.

    Parameters
    ----------
    learner : object
        A fitted classifier with `predict_proba` and `classes_`, as in scikit-learn.
    X : ndarray of shape (n_samples, n_features), float32
        Features.
    n_classes : int
        Number of classes of the dataset.

    Returns
    -------
    ndarray of shape (n_samples, n_classes), float32 or float64
        Column k belongs to label k. A class that the learner was not fitted on has probability 0.

    Raises
    ------
    PluginError
        If the learner does not return probabilities. No accuracy is computed from invalid ones.

    """
    known = np.asarray(learner.predict_proba(X))
    expected = (len(X), len(learner.classes_))
    if known.shape != expected or known.dtype.kind != "f":
        raise PluginError(
            f"predict_proba must return floats of shape {expected}, got {known.dtype} {known.shape}"
        )
    if not (np.isfinite(known).all() and (known >= 0).all() and (known <= 1 + 1e-6).all()):
        raise PluginError("predict_proba must return values from 0 to 1, got values outside or NaN")
    sums = known.sum(axis=1)
    if len(X) and not np.abs(sums - 1).max() <= SUM_TOLERANCE:
        raise PluginError(
            f"predict_proba must return rows that sum to 1, got sums from {sums.min():.4g} to "
            f"{sums.max():.4g}; divide each row by its sum"
        )
    # scikit-learn's columns cover only the classes of the training rows, and a small training fold may
    # not contain every class of the dataset.
    probabilities: Probabilities = np.zeros((len(X), n_classes), dtype=known.dtype)
    probabilities[:, learner.classes_] = known
    return probabilities


def checked_labels(predicted: Any, count: int, n_classes: int) -> NDArray[np.int64]:
    """Return what `predict` returned as (count,) int64 labels; raise PluginError if it is not that."""
    labels: NDArray[Any] = np.asarray(predicted)
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise PluginError(
            f"predict must return integers of shape {(count,)}, got {labels.dtype} {labels.shape}"
        )
    if count and not (labels.min() >= 0 and labels.max() < n_classes):
        raise PluginError(
            f"predict must return labels from 0 to {n_classes - 1}, got {labels.min()} to {labels.max()}"
        )
    return labels.astype(np.int64)


def disagreements(labels: NDArray[np.int64], probabilities: Probabilities) -> int:
    """Count rows whose predicted label is less probable than another one.

    Parameters
    ----------
    labels : ndarray of shape (n_samples,), int64
        What a learner predicted.
    probabilities : ndarray of shape (n_samples, n_classes)
        Its probabilities of the same rows.

    """
    of_predicted = probabilities[np.arange(len(labels)), labels]
    return int(np.sum(probabilities.max(axis=1, initial=0) - of_predicted > TIE))
