"""Checks of learners that are fitted on stored rows, and of those that go on learning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit.api.errors import StackkitError
from stackkit.api.state import State
from stackkit.host.state_update import updated_state
from stackkit.testing.check import CheckList, require, skip
from stackkit.testing.checks.learner_under_test import LearnerUnderTest
from stackkit.testing.transport import transported

LABELS = np.array([1, 4, 7])
"""Labels of the three classes of the rows under test."""

SAME_LABELS = 0.95
"""Least share of rows with the same label, and 1 minus the largest mean difference of probabilities: a
learner that shuffles takes another way to about the same place."""

STORED_REMEDY = "take labels from rows.labels, and features from rows.read; each row counts once"
UPDATE_REMEDY = "return a State with what the next update needs, and new labels among its classes"


@dataclass(frozen=True, eq=False)
class Stored:
    """An array as `stackkit.api.StoredRows`."""

    X: NDArray[np.float32]
    labels: NDArray[np.int64]
    groups: NDArray[np.int64] | None = None

    @property
    def n_features(self) -> int:
        """Number of columns."""
        return int(self.X.shape[1])

    def read(self, rows: NDArray[np.int64], /) -> NDArray[np.float32]:
        """Copy some rows."""
        found: NDArray[np.float32] = self.X[rows]
        return found


def add_streaming_checks(checks: CheckList) -> None:
    """Add the checks of `fit_stored` and of `LearnerSpec.update`."""

    @checks.add("stored-rows", STORED_REMEDY, after=("label-gaps", "same-seed-same-result"))
    def stored_rows(component: LearnerUnderTest) -> None:
        """`fit_stored`, if it has one, gives the classifier of `fit`, in any order of the rows."""
        if not hasattr(component.new(), "fit_stored"):
            skip("it has no fit_stored")
        rows, labels = component.rows_around(distance=1, seed=3), LABELS[component.labels]
        expected = component.fit(rows, labels, **component.seed)
        orders = {"": np.arange(len(rows)), " in the order of their labels": np.argsort(labels)}
        for shown, order in orders.items():
            learner = component.new(**component.seed)
            learner.fit_stored(Stored(rows[order], labels[order]))
            found = np.asarray(learner.classes_).tolist()
            require(found == LABELS.tolist(), f"fitted on stored rows{shown}, classes_ is {found}")
            same = np.mean(learner.predict(rows.copy()) == expected.predict(rows.copy()))
            found = f"fitted on stored rows{shown}, {same:.0%} of labels are those of fit"
            require(same >= SAME_LABELS, found)
            if component.has_probabilities:
                gap = _gap(learner, expected, rows)
                found = f"fitted on stored rows{shown}, probabilities differ by {gap:.2g} on average"
                require(gap <= 1 - SAME_LABELS, found)

    @checks.add("update", UPDATE_REMEDY, after=("restored-answers",))
    def update(component: LearnerUnderTest) -> None:
        """The `update` of its spec, if it names one, adds rows and classes to an updatable state."""
        if not getattr(component.component.spec, "update", ""):
            skip("its spec names no update")
        require(component.declares("updatable"), "it has no option `updatable`", "declare a bool option")
        rows, labels = component.rows, LABELS[component.labels]
        old = labels < LABELS[2]
        new = np.flatnonzero(~old | (np.arange(len(labels)) % 2 == 0))
        first = component.fit(rows[old], labels[old], updatable=True)
        learner = component.configured(updatable=True)
        state = transported(learner.state_of(first))
        require(_same(state, updated_state(learner, state, rows[:0], labels[:0])), "no rows change it")
        for part in np.array_split(new, 2):
            state = transported(updated_state(learner, state, rows[part], labels[part]))
        after = learner.restored(state)
        found = np.asarray(after.classes_).tolist()
        require(found == LABELS.tolist(), f"after an update with label {LABELS[2]}, classes_ is {found}")
        right = np.mean(after.predict(rows.copy()) == labels)
        require(right > 0.9, f"after an update, {right:.0%} of its rows are right")
        _refuses(component, rows, labels)


def _refuses(component: LearnerUnderTest, rows: NDArray[np.float32], labels: NDArray[np.int64]) -> None:
    learner = component.configured(updatable=False)
    state = learner.state_of(component.fit(rows, labels, updatable=False))
    try:
        updated_state(learner, state, rows[:0], labels[:0])
    except StackkitError:
        return
    require(False, "a state with updatable=false is updated", "raise ValueError, and say how to train")


def _gap(one: Any, other: Any, rows: NDArray[np.float32]) -> float:
    return float(np.abs(one.predict_proba(rows.copy()) - other.predict_proba(rows.copy())).mean())


def _same(one: State, other: State) -> bool:
    return (
        dict(one.values) == dict(other.values)
        and one.arrays.keys() == other.arrays.keys()
        and all(np.array_equal(array, other.arrays[name]) for name, array in one.arrays.items())
    )
