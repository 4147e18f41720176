"""Score ensembles on the rows that they are selected on, one added learner at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stackkit_plugins.shared.probabilities import true_class_probabilities

Score = tuple[float, float]
"""Weight of the correct rows (0 if only the log-loss counts), mean log-likelihood; greater is better."""


class EnsembleScorer:
    """Score ensembles of the given learners.

    Parameters
    ----------
    learners : sequence of ndarray of shape (n_samples, n_classes)
        Each learner's probabilities.
    labels : ndarray of shape (n_samples,)
    accuracy : bool
        Whether accuracy decides and the log-loss breaks ties, or the log-loss alone decides.
    weights : ndarray of shape (n_samples,), optional
        Weights of the rows, with a mean of 1; by default all are 1.

    """

    def __init__(
        self,
        learners: Sequence[NDArray[np.floating]],
        labels: NDArray[np.int64],
        *,
        accuracy: bool,
        weights: NDArray[np.float64] | None = None,
    ) -> None:
        self.n_learners = len(learners)
        # The log-loss of a mean needs only each learner's probability of the true class.
        self._likelihoods = np.concatenate(
            [true_class_probabilities(learner[None], labels) for learner in learners]
        )
        self._contested = _contested_rows(learners, labels) if accuracy else None
        self._weights = weights

    def with_one_more(self, selected: NDArray[np.int64], candidates: Sequence[int]) -> dict[int, Score]:
        """Return the score of the ensemble with each candidate added.

        Parameters
        ----------
        selected : ndarray of shape (n_learners,)
            How often each learner is in the ensemble.
        candidates : sequence of int
            Learners to try.

        """
        correct = self._correct(selected, candidates)
        so_far = selected @ self._likelihoods
        size = selected.sum() + 1
        return {
            candidate: (
                correct[candidate],
                self._mean(np.log((so_far + self._likelihoods[candidate]) / size)),
            )
            for candidate in candidates
        }

    def _mean(self, logs: NDArray[np.float64]) -> float:
        return float((logs if self._weights is None else logs * self._weights).mean())

    def _correct(self, selected: NDArray[np.int64], candidates: Sequence[int]) -> dict[int, float]:
        if self._contested is None:
            return dict.fromkeys(candidates, 0)
        rows, probabilities, truth = self._contested
        weights = np.ones(len(rows)) if self._weights is None else self._weights[rows]
        # Sums instead of means: dividing all classes by the ensemble's size does not move the argmax.
        so_far = np.tensordot(selected.astype(np.float64), probabilities, axes=1)
        return {
            # Rounded, so that ties of sums with weights are ties.
            candidate: round(
                float(weights @ ((so_far + probabilities[candidate]).argmax(axis=1) == truth)), 9
            )
            for candidate in candidates
        }


def _contested_rows(
    learners: Sequence[NDArray[np.floating]], labels: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Return the m rows on which learners disagree.

    Where all learners agree, every ensemble of them predicts the same, so those rows cannot change
    a comparison; leaving them out saves most of the work.

    Returns
    -------
    rows : ndarray of shape (m,)
        Their numbers.
    probabilities : ndarray of shape (n_learners, m, n_seen), float64
        Of the classes that occur in `labels`.
    truth : ndarray of shape (m,)
        Columns of `probabilities`.

    """
    classes, truth = np.unique(labels, return_inverse=True)
    choices = np.stack([learner[:, classes].argmax(axis=1) for learner in learners])
    rows = np.flatnonzero((choices != choices[0]).any(axis=0))
    probabilities = np.stack([learner[np.ix_(rows, classes)] for learner in learners])
    return rows, probabilities.astype(np.float64), truth[rows]
