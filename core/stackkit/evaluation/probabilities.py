"""Class probabilities of base learners, put in order for an aggregator; arrays only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stackkit.api.errors import PluginError
from stackkit.api.types import FitOn
from stackkit.evaluation.folds import Fold

Probabilities: TypeAlias = NDArray[np.floating]
"""float32 or float64, as the learner made them: the recipe averages float32 in float32."""


SUM_TOLERANCE = 1e-3
"""How far from 1 a row of probabilities may sum: float32 over a thousand classes errs by 1e-5."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoldProbabilities:
    """All learners' class probabilities in one fold, each (n_learners, rows, n_classes).

    `in_sample` are those of the rows the learners were fitted on; `out_of_fold` those of the same
    rows by learners that had not seen them, None if nobody asked; `test` those of held-out rows,
    and `test_averaged` the same rows' means over the learners of the inner folds, None unless
    these stand in for a learner that is fitted on the whole training fold.
    """

    in_sample: Probabilities
    out_of_fold: Probabilities | None
    test: Probabilities
    test_averaged: Probabilities | None = None

    def for_aggregator(self, fit_on: FitOn) -> tuple[Probabilities, Probabilities]:
        """Probabilities to learn from and to predict, for an aggregator that declares `fit_on`."""
        if fit_on == "in-sample":
            return self.in_sample, self.test
        if self.out_of_fold is None:
            raise ValueError("the aggregator wants out-of-fold probabilities and none were made")
        return self.out_of_fold, self.test if self.test_averaged is None else self.test_averaged


def out_of_fold(parts: Sequence[Probabilities], folds: Sequence[Fold]) -> Probabilities:
    """(n, n_classes) of n rows, each by the learner of the one fold that held it out.

    `parts[k]` are the probabilities of the rows `folds[k].test`.
    """
    rows = np.concatenate([fold.test for fold in folds])
    ordered: Probabilities = np.concatenate(parts)[np.argsort(rows)]
    return ordered


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
    sums = known.sum(axis=1)
    if len(X) and not np.abs(sums - 1).max() <= SUM_TOLERANCE:
        raise PluginError(
            f"predict_proba must give rows that sum to 1, and gave sums of {sums.min():.4g} to "
            f"{sums.max():.4g}; divide each row by its sum"
        )
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
