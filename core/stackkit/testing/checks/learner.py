"""Checks of a base learner: it is a classifier as scikit-learn defines it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from stackkit.evaluation.probabilities import checked_labels, class_probabilities
from stackkit.testing.check import CheckList, attempt, require
from stackkit.testing.checks.exported import add_onnx_check
from stackkit.testing.checks.learner_under_test import LearnerUnderTest, N
from stackkit.testing.checks.saved import add_state_checks
from stackkit.testing.checks.streamed import add_streaming_checks
from stackkit.testing.end_to_end import runs_after

TOLERANCE = 1e-3
"""Allowed difference of outputs, in their standard deviations: a single row may round differently."""


CHECKS = CheckList(after=("whole-labels",))


@CHECKS.add("declared-probabilities", "set probabilities= of the LearnerSpec to what the learner can do")
def declared_probabilities(component: LearnerUnderTest) -> None:
    """It has `predict_proba` if, and only if, its spec says `probabilities=True`."""
    has, declared = hasattr(component.new(), "predict_proba"), component.has_probabilities
    found = f"its spec says probabilities={declared}, and predict_proba is {'' if has else 'not '}there"
    require(has == declared, found)


@CHECKS.add("whole-labels", "return classes_[column], with the type of the labels", after=())
def whole_labels(component: LearnerUnderTest) -> None:
    """`predict` returns one integer for each row, a label that `fit` has seen."""
    learner = attempt("fit", lambda: component.fitted)
    predicted = attempt("predict", lambda: learner.predict(component.rows.copy()))
    checked_labels(predicted, N, 3)


@CHECKS.add(
    "probability-rows",
    "divide each row by its sum; the values of a decision function are not probabilities",
    after=("declared-probabilities",),
)
def probability_rows(component: LearnerUnderTest) -> None:
    """Probabilities are from 0 to 1, and each row sums to 1."""
    # Where classes are far apart, rows that are not normalised sum to 1 all the same.
    overlapping = component.rows_around(distance=0.2, seed=8)
    unsure = component.fit(overlapping, component.labels)
    for learner, rows in ((component.fitted, component.rows), (unsure, overlapping)):
        component.probabilities(learner, rows)


@CHECKS.add("column-order", "sort the columns with the classes", after=("probability-rows",))
def column_order(component: LearnerUnderTest) -> None:
    """The columns of `predict_proba` are in the order of `classes_`."""
    learner = component.fitted
    made = component.probabilities(learner, component.rows)
    right = np.mean(made.argmax(axis=1) == learner.predict(component.rows.copy()))
    require(right > 0.95, f"predict returns the class of the largest column in {right:.0%} of rows")


@CHECKS.add(
    "row-independence",
    "take means, scales and ranks from the rows of fit, never from those of predict",
    after=("whole-labels", "same-seed-same-result"),
)
def row_independence(component: LearnerUnderTest) -> None:
    """The output for a row does not depend on the other rows."""
    learner = component.fitted
    together = component.outputs(learner)
    alone = np.concatenate([component.outputs(learner, slice(i, i + 1)) for i in range(20)])
    require(alone.shape == together[:20].shape, f"20 rows, one by one, have outputs {alone.shape}")
    gap = float(np.abs(alone - together[:20]).max()) / (float(together.std()) or 1.0)
    found = f"a row has another output alone than in a batch: {gap:.2g} standard deviations"
    require(gap <= TOLERANCE, found)


@CHECKS.add(
    "learns", "check what fit does with its labels, and guard divisions by a feature's range against 0"
)
def learns(component: LearnerUnderTest) -> None:
    """It tells classes apart that are far apart, also with features that never vary: networks have some
    that are 0 for every image.
    """
    labels = component.labels
    # The mean of many float32 that are nearly 0.1 may differ from them in its last digit.
    dead = np.full((N, 2), [0, 0.1], dtype=np.float32)
    for rows, where in (
        (component.rows, "where classes are far apart"),
        (np.hstack([component.rows, dead]), "with two more features that never vary"),
    ):
        right = np.mean(component.fit(rows[:80], labels[:80]).predict(rows[80:].copy()) == labels[80:])
        require(right > 0.9, f"{right:.0%} of held-out rows are right {where}")


@CHECKS.add(
    "clonable",
    "inherit BaseEstimator, and store the constructor's arguments unchanged under their names",
    after=("same-seed-same-result",),
)
def clonable(component: LearnerUnderTest) -> None:
    """`sklearn.base.clone` returns an unfitted learner that learns the same."""
    learner = component.fit(component.rows, component.labels, **component.seed)
    copy = clone(learner)
    require(copy is not learner, "sklearn.base.clone returns the same object")
    copy.fit(component.rows.copy(), component.labels.copy())
    same = np.array_equal(component.outputs(copy), component.outputs(learner))
    require(same, "a clone that is fitted on the same rows has other outputs")


@CHECKS.add(
    "same-seed-same-result",
    "declare a seed option, and draw from np.random.default_rng(seed) or pass random_state=seed",
)
def same_seed_same_result(component: LearnerUnderTest) -> None:
    """The same seed gives the same result, whatever NumPy's global random state is."""
    state_before = np.random.get_state()
    try:
        outputs = []
        for state in (1, 2):
            np.random.seed(state)
            outputs.append(
                component.outputs(component.fit(component.rows, component.labels, **component.seed))
            )
    finally:
        np.random.set_state(state_before)
    require(np.array_equal(outputs[0], outputs[1]), "two fits with the same seed have other outputs")


@CHECKS.add(
    "label-gaps",
    "set self.classes_ = np.unique(y) in fit, and return classes_[column] from predict",
    after=("learns",),
)
def label_gaps(component: LearnerUnderTest) -> None:
    """It can be fitted on labels with gaps, such as 1, 4 and 7, since a fold may miss classes, and
    `classes_` holds the labels in ascending order.
    """
    for names, classes in (([0, 1, 2], [0, 1, 2]), ([1, 4, 7], [1, 4, 7]), ([1, 4, 7], [1, 7])):
        labels = np.array(names)[component.labels]
        chosen = np.isin(labels, classes)
        rows, labels = component.rows[chosen], labels[chosen]
        learner = component.fit(rows, labels)
        fitted = f"fitted on labels {classes}"
        found = np.asarray(learner.classes_).tolist()
        require(found == classes, f"{fitted}, classes_ is {found}")
        if hasattr(learner, "predict_proba"):
            columns = learner.predict_proba(rows[:1]).shape[-1]
            require(columns == len(classes), f"{fitted}, predict_proba has {columns} columns")
        right = np.mean(learner.predict(rows.copy()) == labels)
        require(right > 0.9, f"{fitted}, {right:.0%} of the same rows are right")


@CHECKS.add("input-untouched", "work on a copy when you scale or centre")
def input_untouched(component: LearnerUnderTest) -> None:
    """`fit` and `predict` do not change the arrays they are given."""
    rows, labels = component.rows.copy(), component.labels.copy()
    learner = component.new()
    learner.fit(rows, labels)
    require(np.array_equal(rows, component.rows), "fit writes into the features")
    require(np.array_equal(labels, component.labels), "fit writes into the labels")
    learner.predict(rows)
    require(np.array_equal(rows, component.rows), "predict writes into the features")


def _fit(component: LearnerUnderTest, draw: int, /, **changed: Any) -> Any:
    """Return a learner on labels with gaps; another draw gives other rows."""
    rows = component.rows_around(distance=1, seed=draw) if draw else component.rows
    return component.fit(rows, np.array([1, 4, 7])[component.labels], **changed)


def _inputs(component: LearnerUnderTest) -> NDArray[np.float32]:
    return component.rows.copy()


def _probabilities(fitted: Any, rows: NDArray[np.float32]) -> NDArray[np.floating]:
    """Return (n, 9): the labels of `_fit` are 1, 4 and 7."""
    return class_probabilities(fitted, rows, 9)


add_state_checks(CHECKS, _fit, _inputs, after=("label-gaps",))
add_streaming_checks(CHECKS)
add_onnx_check(CHECKS, _fit, _inputs, _probabilities)
CHECKS.append(runs_after(CHECKS))
