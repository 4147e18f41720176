"""How good an ensemble is on the rows that it is selected on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stackkit_plugins.probabilities import of_labels

Score = tuple[int, float]
"""Rows that are right (0 for all, where only the log-loss counts) and mean log-likelihood."""


class Scoring:
    """Scores ensembles of the given learners, each (n, n_classes), against labels (n,)."""

    def __init__(
        self,
        learners: Sequence[NDArray[np.floating]],
        labels: NDArray[np.int64],
        *,
        accuracy: bool,
    ) -> None:
        self.n_learners = len(learners)
        self._likelihoods = np.concatenate([of_labels(learner[None], labels) for learner in learners])
        self._contested = _contested(learners, labels) if accuracy else None

    def with_one_more(self, selected: NDArray[np.int64], candidates: Sequence[int]) -> dict[int, Score]:
        """Scores of the ensemble with each candidate added; greater is better.

        `selected` (n_learners,) says how often each learner is in the ensemble.
        """
        right = self._right(selected, candidates)
        so_far = selected @ self._likelihoods
        size = selected.sum() + 1
        return {
            candidate: (
                right[candidate],
                float(np.log((so_far + self._likelihoods[candidate]) / size).mean()),
            )
            for candidate in candidates
        }

    def _right(self, selected: NDArray[np.int64], candidates: Sequence[int]) -> dict[int, int]:
        if self._contested is None:
            return dict.fromkeys(candidates, 0)
        probabilities, truth = self._contested
        so_far = np.tensordot(selected.astype(np.float64), probabilities, axes=1)
        return {
            candidate: int(np.sum((so_far + probabilities[candidate]).argmax(axis=1) == truth))
            for candidate in candidates
        }


def _contested(
    learners: Sequence[NDArray[np.floating]], labels: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """(n_learners, m, n_seen) probabilities of the classes seen, (m,) true columns of those.

    Only the m rows on which learners differ: where all agree, so does every ensemble of them.
    """
    classes, truth = np.unique(labels, return_inverse=True)
    choices = np.stack([learner[:, classes].argmax(axis=1) for learner in learners])
    rows = np.flatnonzero((choices != choices[0]).any(axis=0))
    probabilities = np.stack([learner[np.ix_(rows, classes)] for learner in learners])
    return probabilities.astype(np.float64), truth[rows]
