"""A base learner, and the rows that its checks fit it on."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit.api.specs import LearnerSpec
from stackkit.evaluation.probabilities import class_probabilities
from stackkit.testing.check import CheckFailedError, skip
from stackkit.testing.under_test import ComponentUnderTest

N = 120


@dataclass(frozen=True, kw_only=True)
class LearnerUnderTest(ComponentUnderTest):
    """A learner, and 120 rows of three classes that are far apart."""

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """(120,) labels 0, 1, 2 in random order."""
        return np.random.default_rng(6).permutation(N) % 3

    @cached_property
    def rows(self) -> NDArray[np.float32]:
        """(120, 16) features of classes that are easy to tell apart."""
        return self.rows_around(distance=3, seed=5)

    def rows_around(self, *, distance: float, seed: int) -> NDArray[np.float32]:
        """Return (120, 16) features around class means so far apart."""
        random = np.random.default_rng(seed)
        means = distance * random.normal(size=(3, 16))
        return (means[self.labels] + random.normal(size=(N, 16))).astype(np.float32)

    def new(self, **changed: Any) -> Any:
        """Return an unfitted learner; skips the check if none can be made."""
        _ = self.made
        return self.create(**changed)

    def fit(self, rows: NDArray[np.float32], labels: NDArray[np.int64], **changed: Any) -> Any:
        """Return a new learner fitted on copies; `fit` need not return it."""
        learner = self.new(**changed)
        learner.fit(rows.copy(), labels.copy())
        return learner

    @cached_property
    def fitted(self) -> Any:
        """A learner fitted on all rows; the checks must not change it."""
        return self.fit(self.rows, self.labels)

    @property
    def seed(self) -> dict[str, int]:
        """The option that makes two fits alike; by default they may draw at random."""
        return {"seed": 9} if self.declares("seed") else {}

    @property
    def has_probabilities(self) -> bool:
        """Whether the spec declares probabilities."""
        spec = self.component.spec
        return isinstance(spec, LearnerSpec) and spec.probabilities

    def probabilities(self, learner: Any, rows: NDArray[np.float32]) -> NDArray[Any]:
        """Return (n, 3), checked as in a run; skips the check if the spec declares none."""
        if not self.has_probabilities:
            skip("its spec says probabilities=False")
        return class_probabilities(learner, rows.copy(), 3)

    def outputs(self, learner: Any, rows: slice = slice(None)) -> NDArray[Any]:
        """Return the finest output of a fitted learner: probabilities, scores or labels."""
        for method in ("predict_proba", "decision_function", "predict"):
            if hasattr(learner, method):
                return np.asarray(getattr(learner, method)(self.rows[rows].copy()))
        raise CheckFailedError("predict is missing")
