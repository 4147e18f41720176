"""An aggregator, and learners that know as much of the labels as they are told to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from stackkit.testing.subject import Subject

Inputs: TypeAlias = Sequence[NDArray[Any]] | NDArray[Any]
"""(n_learners, n, n_classes) probabilities, or one (n, d) matrix of features per backbone."""

N, CLASSES, LEARNERS = 200, 5, 3


@dataclass(frozen=True, kw_only=True)
class AggregatorSubject(Subject):
    """An aggregator, and what its `fit_on` makes the host hand to it."""

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """(200,) labels of 5 classes in any order."""
        return np.random.default_rng(4).permutation(N) % CLASSES

    @property
    def on_features(self) -> bool:
        """Whether it takes the place of a whole stack."""
        return getattr(self.made, "fit_on", None) == "features"

    def inputs(self, sharpness: float, seed: int, count: int = LEARNERS) -> Inputs:
        """What favours the labels, of so many learners or backbones; the more the sharper."""
        random = np.random.default_rng(seed)
        if self.on_features:
            means = [
                sharpness * np.random.default_rng(width).normal(size=(CLASSES, width))
                for width in [16, 5, 9, 7] * (count // 4) + [16, 5, 9][: count % 4]
            ]
            return [
                (mean[self.labels] + random.normal(size=(N, mean.shape[1]))).astype(np.float32)
                for mean in means
            ]
        scores = random.normal(size=(count, N, CLASSES)) + sharpness * np.eye(CLASSES)[self.labels]
        exponentials = np.exp(scores)
        probabilities: NDArray[Any] = exponentials / exponentials.sum(axis=2, keepdims=True)
        return probabilities

    def fitted(self, inputs: Inputs, labels: NDArray[np.int64]) -> Any:
        """A new aggregator that has learned; `fit` need not return it."""
        aggregator = self.create()
        self.fit(aggregator, inputs, labels)
        return aggregator

    def fit(self, aggregator: Any, inputs: Inputs, labels: NDArray[np.int64]) -> None:
        """Call `fit` as the host does."""
        learner = (LogisticRegression(),) if self.on_features else ()
        aggregator.fit(inputs, labels, *learner)

    @cached_property
    def is_repeatable(self) -> bool:
        """Whether two fits predict the same, though NumPy's global random state differs."""
        kept = np.random.get_state()
        try:
            found = []
            for state in (1, 2):
                np.random.seed(state)
                aggregator = self.fitted(self.inputs(1, 0), self.labels.copy())
                found.append(np.asarray(aggregator.predict(self.inputs(1, 1))))
        finally:
            np.random.set_state(kept)
        return np.array_equal(found[0], found[1])

    def right(self, count: int) -> float:
        """The share of new rows that are given their label where so many learners leave no doubt."""
        aggregator = self.fitted(self.inputs(9, 0, count), self.labels.copy())
        return float(np.mean(aggregator.predict(self.inputs(9, 1, count)) == self.labels))

    @cached_property
    def recovered(self) -> float:
        """What of the labels it finds from three learners."""
        return self.right(LEARNERS)


def rows_of(inputs: Inputs, rows: NDArray[np.int64]) -> Inputs:
    """Some rows of every learner or backbone."""
    if isinstance(inputs, np.ndarray):
        return inputs[:, rows]
    return [matrix[rows] for matrix in inputs]
