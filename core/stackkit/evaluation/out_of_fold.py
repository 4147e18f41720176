"""Collect what an aggregator says about images that neither it nor its learners were fitted on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields

import numpy as np
from numpy.typing import NDArray

from stackkit.api.errors import PluginError
from stackkit.evaluation.comparison import FoldOutcome
from stackkit.evaluation.fit import FitResult, errors_name
from stackkit.evaluation.scores import NO_SCORES


@dataclass(frozen=True, slots=True, kw_only=True)
class OutOfFold:
    """What an aggregator says about images that were left out, each once.

    Parameters
    ----------
    rows : ndarray of shape (n,), int64
        Rows of the images, in ascending order.
    folds : ndarray of shape (n,), int64
        Number of the fold that left the image out.
    labels : ndarray of shape (n,), int64
        True labels.
    predicted : ndarray of shape (n,), int64
        Predicted labels.
    scores : ndarray of shape (n, n_classes), float64
        See `evaluation.scores`.

    """

    rows: NDArray[np.int64]
    folds: NDArray[np.int64]
    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]
    scores: NDArray[np.float64]

    def of_known_classes(self) -> OutOfFold:
        """Return the answers of classifiers that knew the class of the image, or all if none did.

        An image is the only one of its class, or all of them are in one group: then its fold was fitted
        without the class, and could only be wrong. That says nothing of a model that knows the class.
        """
        pairs = np.unique(np.stack([self.labels, self.folds]), axis=1)
        folds_with = np.bincount(pairs[0])  # number of folds that have images of each class
        known = folds_with[self.labels] > 1
        if known.all() or not known.any():
            return self
        names = (each.name for each in fields(self))
        return OutOfFold(**{name: getattr(self, name)[known] for name in names})


@dataclass(slots=True, kw_only=True)
class Collector:
    """Takes outcomes of folds as they are complete, in any order.

    Parameters
    ----------
    chosen : str
        Text of the aggregator.
    n_folds : int
        Number of folds of one repeat; later repeats, which predict the same images again, are left out.

    """

    chosen: str
    n_folds: int
    _found: dict[int, tuple[NDArray[np.int64], FitResult]] = field(default_factory=dict)

    def add(self, outcome: FoldOutcome) -> None:
        """Take the aggregator's result of a fold; raises PluginError if it gives no scores."""
        if outcome.number >= self.n_folds:
            return
        for row, result in zip(outcome.rows, outcome.results, strict=True):
            if row.kind == "aggregator" and row.classifier.text == self.chosen:
                with errors_name(row.classifier):
                    if result.scores is None:
                        raise PluginError(NO_SCORES)
                self._found[outcome.number] = (outcome.fold.test, result)

    def collected(self, labels: NDArray[np.int64]) -> OutOfFold:
        """Return what was collected; `labels` are those of all rows."""
        numbers = sorted(self._found)
        parts = [self._found[number] for number in numbers]
        rows = np.concatenate([test for test, _ in parts])
        order = np.argsort(rows, kind="stable")
        return OutOfFold(
            rows=rows[order],
            folds=np.repeat(numbers, [len(test) for test, _ in parts])[order],
            labels=labels[rows[order]],
            predicted=np.concatenate([result.labels for _, result in parts])[order],
            scores=np.concatenate(_scores([result for _, result in parts]))[order],
        )


def _scores(results: Sequence[FitResult]) -> list[NDArray[np.float64]]:
    return [each.scores for each in results if each.scores is not None]
