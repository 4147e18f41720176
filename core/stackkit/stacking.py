"""Base learners to probabilities to an aggregator; arrays in, labels out."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from stackkit.errors import PluginError
from stackkit.folds import Fold, inner_folds
from stackkit.types import Aggregator, Learner

MakeLearner = Callable[[], Any]

Probabilities: TypeAlias = NDArray[np.floating]
"""float32 or float64, as the learner made them: the recipe averages float32 in float32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldProbabilities:
    """All learners' class probabilities in one fold, each (n_learners, rows, n_classes).

    `in_sample` are those of the rows the learners were fitted on; `out_of_fold` those of the
    same rows by learners that had not seen them, None if nobody asked; `test` of held-out rows.
    """

    in_sample: Probabilities
    out_of_fold: Probabilities | None
    test: Probabilities


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnerFit:
    """One base learner fitted on one backbone in one fold; probabilities (rows, n_classes)."""

    in_sample: Probabilities
    out_of_fold: Probabilities | None
    test: Probabilities
    test_labels: NDArray[np.int64]
    converged: bool


def fit_learner(
    make: MakeLearner,
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    n_classes: int,
    fold: Fold,
    *,
    out_of_fold: int | None = None,
    seed: int = 0,
) -> LearnerFit:
    """Fit one learner on the fold's training rows, once, whatever the number of aggregators.

    features (n, d), labels (n,). `out_of_fold` is the number of inner folds, None for none; a
    learner fitted on the whole training fold predicts the test rows either way, as in
    scikit-learn's `StackingClassifier`.
    """
    X, y = _rows(features, fold.train), labels[fold.train]
    with _convergence() as warned:
        learner = make()
        learner.fit(X, y)
        held_out = (
            None
            if out_of_fold is None
            else _out_of_fold(make, X, y, n_classes, inner_folds(y, out_of_fold, seed=seed))
        )
    test = _rows(features, fold.test)
    return LearnerFit(
        in_sample=class_probabilities(learner, X, n_classes),
        out_of_fold=held_out,
        test=class_probabilities(learner, test, n_classes),
        test_labels=checked_labels(learner.predict(test), len(test), n_classes),
        converged=not warned,
    )


def _rows(X: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Some rows, column after column, as mlxtend's ColumnSelector hands them to a learner.

    BLAS multiplies the two layouts by a vector in different orders, and probabilities that
    differ in their last bits would be another recipe.
    """
    return np.asfortranarray(X[rows])


def _out_of_fold(
    make: MakeLearner,
    X: NDArray[np.float32],
    y: NDArray[np.int64],
    n_classes: int,
    folds: Sequence[Fold],
) -> Probabilities:
    """(n, n_classes): each row predicted by a learner fitted without it."""
    parts = []
    for fold in folds:
        learner = make()
        learner.fit(_rows(X, fold.train), y[fold.train])
        parts.append(class_probabilities(learner, _rows(X, fold.test), n_classes))
    rows = np.concatenate([fold.test for fold in folds])
    probabilities: Probabilities = np.concatenate(parts)[np.argsort(rows)]
    return probabilities


def class_probabilities(learner: Any, X: NDArray[np.float32], n_classes: int) -> Probabilities:
    """(n, d) -> (n, n_classes), columns by label; a class the learner never saw has probability 0.

    Raises PluginError for anything that is no probabilities: no figure is made of it.
    """
    known = np.asarray(learner.predict_proba(X))
    wanted = (len(X), len(learner.classes_))
    if known.shape != wanted or known.dtype.kind != "f":
        raise PluginError(f"predict_proba must give floats {wanted}, not {known.dtype} {known.shape}")
    if not (np.isfinite(known).all() and (known >= 0).all() and (known <= 1 + 1e-6).all()):
        raise PluginError("predict_proba must give numbers from 0 to 1, and gave others or NaN")
    probabilities: Probabilities = np.zeros((len(X), n_classes), dtype=known.dtype)
    probabilities[:, learner.classes_] = known
    return probabilities


def checked_labels(predicted: Any, count: int, n_classes: int) -> NDArray[np.int64]:
    """The (count,) labels that a classifier predicted; raises PluginError if they are none."""
    labels: NDArray[Any] = np.asarray(predicted)
    if labels.shape != (count,) or labels.dtype.kind not in "iu":
        raise PluginError(
            f"predict must give {count} whole numbers in one row, not {labels.dtype} {labels.shape}"
        )
    if count and not (labels.min() >= 0 and labels.max() < n_classes):
        raise PluginError(
            f"predict must give labels from 0 to {n_classes - 1}, not {labels.min()} to {labels.max()}"
        )
    return labels.astype(np.int64)


def fit_baseline(
    learner: Learner,
    features: NDArray[np.float32],
    labels: NDArray[np.int64],
    n_classes: int,
    fold: Fold,
) -> tuple[NDArray[np.int64], bool]:
    """Labels of the fold's test rows by a learner that needs no probabilities; whether it converged."""
    with _convergence() as warned:
        learner.fit(features[fold.train], labels[fold.train])
    test = features[fold.test]
    return checked_labels(learner.predict(test), len(test), n_classes), not warned


def fit_aggregator(
    aggregator: Aggregator, probabilities: FoldProbabilities, train_labels: NDArray[np.int64]
) -> tuple[NDArray[np.int64], bool]:
    """Hand the aggregator exactly the probabilities its `fit_on` declares; labels of the test rows."""
    known = probabilities.in_sample
    if aggregator.fit_on == "out-of-fold":
        if probabilities.out_of_fold is None:
            raise ValueError("the aggregator wants out-of-fold probabilities and none were made")
        known = probabilities.out_of_fold
    with _convergence() as warned:
        aggregator.fit(known, train_labels)
    _, count, n_classes = probabilities.test.shape
    return checked_labels(aggregator.predict(probabilities.test), count, n_classes), not warned


def stack(fits: Sequence[LearnerFit]) -> FoldProbabilities:
    """Put the learners' probabilities of one fold on top of each other."""
    held_out = [fit.out_of_fold for fit in fits if fit.out_of_fold is not None]
    return FoldProbabilities(
        in_sample=np.stack([fit.in_sample for fit in fits]),
        out_of_fold=np.stack(held_out) if held_out else None,
        test=np.stack([fit.test for fit in fits]),
    )


@contextmanager
def _convergence() -> Iterator[list[Warning]]:
    """Collect convergence warnings, to be reported once and in plain words, not printed."""
    collected: list[Warning] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield collected
    for warning in caught:
        if issubclass(warning.category, ConvergenceWarning):
            collected.append(warning.message if isinstance(warning.message, Warning) else Warning())
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
