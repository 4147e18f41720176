"""Greedy forward selection of learners, with replacement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from stackkit.api import FitOn
from stackkit_plugins.ensemble_selection.scoring import EnsembleScorer
from stackkit_plugins.shared.probabilities import (
    canonical_order,
    most_likely,
    row_weights,
    shares,
    weighted_sum,
)


class EnsembleSelection:
    """Predict the class with the highest probability, averaged over the selected learners.

    Parameters
    ----------
    fit_on : {"in-sample", "out-of-fold"}
        Which probabilities of the training rows `fit` gets.
    metric : {"log-loss", "accuracy"}
        What a selection improves.
    class_weight : {"balanced"} or None
        "balanced" weights rows such that every class counts the same in the metric; accuracy then
        is balanced accuracy.
    rounds : int
        Number of selections after the initial ensemble.
    bags : int
        Number of random subsets of the learners; the ensemble is the mean of one selection per
        subset. With 0 there is one selection from all learners.
    bag_fraction : float
        Fraction of the learners in each bag, above 0 and at most 1.
    seed : int
        Seed of the bags.

    Attributes
    ----------
    weights_ : ndarray of shape (n_learners,)
        Each learner's share of the ensemble; the sum is 1.
    classes_ : ndarray of shape (n_seen,)
        Labels that have training samples.

    References
    ----------
    R. Caruana, A. Niculescu-Mizil, G. Crew and A. Ksikes, "Ensemble selection from libraries of
    models", 2004: selection with replacement, sorted initialisation, optional bagging.

    """

    weights_: NDArray[np.float64]
    classes_: NDArray[np.int64]

    def __init__(
        self,
        *,
        fit_on: FitOn,
        metric: str,
        class_weight: str | None = None,
        rounds: int,
        bags: int,
        bag_fraction: float,
        seed: int,
    ) -> None:
        self.fit_on = fit_on
        self.class_weight = class_weight
        self.metric = metric
        self.rounds = rounds
        self.bags = bags
        self.bag_fraction = bag_fraction
        self.seed = seed

    def fit(self, probabilities: NDArray[np.floating], labels: NDArray[np.int64]) -> Self:
        """Select from (n_learners, n_samples, n_classes) probabilities."""
        # Ties between learners go to the first one, so the order must not be that of the backbones.
        order = canonical_order(probabilities)
        scorer = EnsembleScorer(
            [probabilities[learner] for learner in order],
            labels,
            accuracy=self.metric == "accuracy",
            weights=row_weights(labels, self.class_weight),
        )
        counts = [select(scorer, bag, self.rounds) for bag in self._bags(len(order))]
        # Bags select different numbers of learners; as shares, each bag counts the same.
        shares = [count / count.sum() for count in counts]
        self.weights_ = np.empty(len(order))
        self.weights_[order] = np.mean(shares, axis=0)
        self.classes_ = np.unique(labels)
        return self

    def predict(self, probabilities: NDArray[np.floating]) -> NDArray[np.int64]:
        """(n_learners, n_samples, n_classes) -> (n_samples,) labels; on a tie, the lowest wins."""
        return most_likely(self._mixture(probabilities), self.classes_)

    def predict_proba(self, probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
        """(n_learners, n_samples, n_classes) -> (n_samples, n_classes): the ensemble's mean."""
        mixture = self._mixture(probabilities)
        return shares(mixture, self.classes_, most_likely(mixture, self.classes_))

    def _mixture(self, probabilities: NDArray[np.floating]) -> NDArray[np.float64]:
        if not hasattr(self, "weights_"):
            raise ValueError("call fit before predict")
        return weighted_sum(probabilities, self.weights_)

    def _bags(self, n_learners: int) -> Iterator[Sequence[int]]:
        if not self.bags:
            yield range(n_learners)
        random = np.random.default_rng(self.seed)
        size = max(1, round(self.bag_fraction * n_learners))
        for _ in range(self.bags):
            yield sorted(random.choice(n_learners, size, replace=False).tolist())


def select(scorer: EnsembleScorer, bag: Sequence[int], rounds: int) -> NDArray[np.int64]:
    """Select learners greedily and return the best ensemble met on the way.

    Parameters
    ----------
    scorer : EnsembleScorer
        Scores ensembles of all learners.
    bag : sequence of int
        Learners that may be selected.
    rounds : int
        Number of selections after the initial ensemble.

    Returns
    -------
    ndarray of shape (n_learners,), int64
        How often each learner was selected. Its score is at least that of the best single learner.

    """
    selected = np.zeros(scorer.n_learners, dtype=np.int64)
    alone = scorer.with_one_more(selected, bag)
    ranked = sorted(bag, key=alone.__getitem__, reverse=True)
    # Sorted initialisation: of the ensembles of the k best learners, start from the best one. Small
    # ensembles overfit most, and greedy selection from nothing would start with the smallest.
    path = []
    for learner in ranked:
        score = scorer.with_one_more(selected, [learner])[learner]
        selected[learner] += 1
        path.append((score, selected.copy()))
    best, start = max(path, key=lambda step: step[0])
    found, selected = start, start.copy()
    # Every round adds the best candidate, even if that makes the ensemble worse: a later round may
    # make up for it. What is returned is the best ensemble of all rounds.
    for _ in range(rounds):
        scores = scorer.with_one_more(selected, bag)
        chosen = max(bag, key=scores.__getitem__)
        selected[chosen] += 1
        if scores[chosen] > best:
            best, found = scores[chosen], selected.copy()
    return found
