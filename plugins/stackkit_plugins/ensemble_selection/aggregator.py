"""Greedy forward selection of learners with replacement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from stackkit.api import FitOn
from stackkit_plugins.ensemble_selection.scoring import Scoring
from stackkit_plugins.probabilities import likeliest, order_of_learners, weighted_sum


class EnsembleSelection:
    """Predicts the class whose probability, averaged over the selected learners, is highest.

    `weights_` (n_learners,) are the learners' shares in the ensemble. Source: R. Caruana,
    A. Niculescu-Mizil, G. FitScheduler and A. Ksikes, "Ensemble selection from libraries of models",
    2004: with replacement, from a sorted start, by option from bags of learners.
    """

    weights_: NDArray[np.float64]
    classes_: NDArray[np.int64]

    def __init__(
        self, *, fit_on: FitOn, metric: str, rounds: int, bags: int, bag_fraction: float, seed: int
    ) -> None:
        self.fit_on = fit_on
        self.metric = metric
        self.rounds = rounds
        self.bags = bags
        self.bag_fraction = bag_fraction
        self.seed = seed

    def fit(self, probabilities: NDArray[np.floating], labels: NDArray[np.int64]) -> EnsembleSelection:
        """Select from (n_learners, n_samples, n_classes) probabilities."""
        order = order_of_learners(probabilities)
        scoring = Scoring(
            [probabilities[learner] for learner in order], labels, accuracy=self.metric == "accuracy"
        )
        selections = [select(scoring, bag, self.rounds) for bag in self._bags(len(order))]
        shares = [selection / selection.sum() for selection in selections]
        self.weights_ = np.empty(len(order))
        self.weights_[order] = np.mean(shares, axis=0)
        self.classes_ = np.unique(labels)
        return self

    def predict(self, probabilities: NDArray[np.floating]) -> NDArray[np.int64]:
        """(n_learners, n_samples, n_classes) -> (n_samples,) labels; the first of equals wins."""
        if not hasattr(self, "weights_"):
            raise ValueError("fit comes before predict")
        return likeliest(weighted_sum(probabilities, self.weights_), self.classes_)

    def _bags(self, n_learners: int) -> Iterator[Sequence[int]]:
        if not self.bags:
            yield range(n_learners)
        random = np.random.default_rng(self.seed)
        size = max(1, round(self.bag_fraction * n_learners))
        for _ in range(self.bags):
            yield sorted(random.choice(n_learners, size, replace=False).tolist())


def select(scoring: Scoring, bag: Sequence[int], rounds: int) -> NDArray[np.int64]:
    """How often each learner is selected, (n_learners,): the best ensemble on the way.

    It starts from as many of the best learners as do best together, and so ends nowhere below
    the best one.
    """
    selected = np.zeros(scoring.n_learners, dtype=np.int64)
    alone = scoring.with_one_more(selected, bag)
    ranked = sorted(bag, key=alone.__getitem__, reverse=True)
    path = []
    for learner in ranked:
        score = scoring.with_one_more(selected, [learner])[learner]
        selected[learner] += 1
        path.append((score, selected.copy()))
    best, start = max(path, key=lambda step: step[0])
    found, selected = start, start.copy()
    for _ in range(rounds):
        scores = scoring.with_one_more(selected, bag)
        chosen = max(bag, key=scores.__getitem__)
        selected[chosen] += 1
        if scores[chosen] > best:
            best, found = scores[chosen], selected.copy()
    return found
