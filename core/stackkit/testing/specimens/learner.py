"""A learner, and rows that it should tell apart."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit.specs import LearnerSpec
from stackkit.testing.promise import BrokenError, skip
from stackkit.testing.subject import Subject


@dataclass(frozen=True, kw_only=True)
class LearnerSubject(Subject):
    """A learner, and 120 rows of three classes that are easily told apart."""

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """(120,) labels 0, 1, 2 in any order."""
        return np.random.default_rng(6).permutation(120) % 3

    @cached_property
    def rows(self) -> NDArray[np.float32]:
        """(120, 16) features around a mean per class."""
        random = np.random.default_rng(5)
        means = 3 * random.normal(size=(3, 16))
        return (means[self.labels] + random.normal(size=(120, 16))).astype(np.float32)

    @cached_property
    def unsure(self) -> tuple[Any, NDArray[np.float32]]:
        """A learner of rows whose classes overlap, and those rows: no probability is near 0 or 1."""
        random = np.random.default_rng(8)
        means = 0.2 * random.normal(size=(3, 16))
        rows = (means[self.labels] + random.normal(size=(120, 16))).astype(np.float32)
        learner = self.new()
        learner.fit(rows.copy(), self.labels.copy())
        return learner, rows

    @property
    def has_probabilities(self) -> bool:
        """Whether the spec says so."""
        spec = self.component.spec
        return isinstance(spec, LearnerSpec) and spec.probabilities

    def new(self, **changed: Any) -> Any:
        """An unfitted learner; a promise is skipped if there is none."""
        _ = self.made
        return self.create(**changed)

    def fitted(self, **changed: Any) -> Any:
        """A learner that knows all rows, given as copies."""
        learner = self.new(**changed)
        learner.fit(self.rows.copy(), self.labels.copy())
        return learner

    def probabilities(self, learner: Any, rows: NDArray[np.float32]) -> NDArray[Any]:
        """(n, n_classes) of a fitted learner, if it says that it has any."""
        if not self.has_probabilities:
            skip("its spec says probabilities=False")
        made: NDArray[Any] = learner.predict_proba(rows.copy())
        return made

    def predicted(self, learner: Any) -> NDArray[Any]:
        """(120,) labels that a fitted learner predicts."""
        return np.asarray(learner.predict(self.rows.copy()))

    def answers(self, learner: Any, rows: slice = slice(None)) -> NDArray[Any]:
        """The finest that a fitted learner says of some rows."""
        for method in ("predict_proba", "decision_function", "predict"):
            if hasattr(learner, method):
                return np.asarray(getattr(learner, method)(self.rows[rows].copy()))
        raise BrokenError("it has no predict")

    @cached_property
    def learned(self) -> Any:
        """A fitted learner, to be asked only; fits take their time."""
        return self.fitted()

    @cached_property
    def is_repeatable(self) -> bool:
        """Whether another fit on the same rows says the same."""
        return np.array_equal(self.answers(self.learned), self.answers(self.fitted()))

    def require_repeatable(self) -> None:
        """Skip a comparison of two fits that a seed has to come before."""
        if not self.is_repeatable:
            skip("two fits with its default options differ")
