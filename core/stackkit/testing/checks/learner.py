"""What a base learner promises: to be a classifier as scikit-learn defines it."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from stackkit.testing.check import Check, CheckFailedError, promise, require, worked
from stackkit.testing.end_to_end import runs_after
from stackkit.testing.fixtures.learner import LearnerSubject
from stackkit.testing.protocols import REMEDY, method, require_members

TOLERANCE = 1e-3
"""Of the answers' standard deviation; a row alone may add up in another order."""


def members(subject: LearnerSubject) -> None:
    """Read both."""
    require_members(subject.made, (method("fit"), method("predict")))


def declared_probabilities(subject: LearnerSubject) -> None:
    """Compare the object with its spec."""
    has = hasattr(subject.new(), "predict_proba")
    declared = subject.has_probabilities
    require(has == declared, f"probabilities={declared} in its spec, and predict_proba: {has}")


def probability_rows(subject: LearnerSubject) -> None:
    """Look at shape, range and sum, where classes are far apart and where they are mixed."""
    for learner, rows in ((subject.learned, subject.rows), subject.unsure):
        _require_probabilities(subject.probabilities(learner, rows))


def _require_probabilities(made: NDArray[Any]) -> None:
    require(made.shape == (120, 3), f"shape {made.shape} for 120 rows and 3 classes")
    require(made.dtype.kind == "f", f"dtype {made.dtype}")
    require(np.isfinite(made).all(), "not all probabilities are finite")
    require(made.min() >= 0 and made.max() <= 1, f"from {made.min():.3g} to {made.max():.3g}")
    sums = made.sum(axis=1)
    require(np.allclose(sums, 1, atol=1e-5), f"rows sum to {sums.min():.6g} up to {sums.max():.6g}")


def column_order(subject: LearnerSubject) -> None:
    """Where classes are far apart, the likeliest column must be the predicted class."""
    learner = subject.learned
    made = subject.probabilities(learner, subject.rows)
    right = np.mean(np.asarray(learner.classes_)[made.argmax(axis=1)] == subject.predicted(learner))
    require(right > 0.95, f"classes_[the likeliest column] is what predict says in {right:.0%} of rows")


def sorted_classes(subject: LearnerSubject) -> None:
    """Read classes_."""
    classes = np.asarray(subject.learned.classes_)
    require(
        classes.tolist() == [0, 1, 2], f"fitted on labels 0, 1 and 2, classes_ is {classes.tolist()}"
    )


def whole_labels(subject: LearnerSubject) -> None:
    """Look at shape, type and range of what it predicts."""
    learner = worked("fit", lambda: subject.learned)
    predicted = worked("predict", lambda: subject.predicted(learner))
    require(predicted.shape == (120,), f"shape {predicted.shape} for 120 rows")
    require(predicted.dtype.kind in "iu", f"it predicts {predicted.dtype}, not whole numbers")
    others = sorted(set(predicted.tolist()) - {0, 1, 2})
    require(not others, f"fitted on labels 0, 1 and 2, it predicts {others[:1]}")


def row_independence(subject: LearnerSubject) -> None:
    """Ask for some rows one by one, and for all at once."""
    subject.require_repeatable()
    learner = subject.learned
    together = subject.answers(learner)
    alone = np.concatenate([subject.answers(learner, slice(i, i + 1)) for i in range(20)])
    require(alone.shape == together[:20].shape, f"20 rows, one by one, have answers {alone.shape}")
    gap = float(np.abs(alone - together[:20]).max()) / (float(together.std()) or 1.0)
    require(gap <= TOLERANCE, f"a row has other answers among others: {gap:.2g} standard deviations")


def learns(subject: LearnerSubject) -> None:
    """Fit on two thirds of the rows, predict the others."""
    learner = subject.new()
    learner.fit(subject.rows[:80].copy(), subject.labels[:80].copy())
    right = np.mean(learner.predict(subject.rows[80:].copy()) == subject.labels[80:])
    require(right > 0.9, f"{right:.0%} of held-out rows are right where classes are far apart")


def dead_features(subject: LearnerSubject) -> None:
    """Add columns of 0, and of 0.1, which no float32 is: its mean may differ in the last digit."""
    dead = np.full((120, 2), [0, 0.1], dtype=np.float32)
    rows, learner = np.hstack([subject.rows, dead]), subject.new()
    learner.fit(rows.copy(), subject.labels.copy())
    right = np.mean(learner.predict(rows) == subject.labels)
    require(right > 0.9, f"with two features that never vary, {right:.0%} of the same rows are right")


def unfitted_use(subject: LearnerSubject) -> None:
    """Predict before fitting."""
    try:
        subject.new().predict(subject.rows.copy())
    except ValueError:  # as scikit-learn's NotFittedError is one
        return
    raise CheckFailedError("predict answers before fit was called")


def clonable(subject: LearnerSubject) -> None:
    """Clone a fitted learner, and fit the clone."""
    subject.require_repeatable()
    learner = subject.learned
    copy = clone(learner)
    require(copy is not learner, "sklearn.base.clone returns the same object")
    copy.fit(subject.rows.copy(), subject.labels.copy())
    same = np.array_equal(subject.answers(copy), subject.answers(learner))
    require(same, "a clone, fitted on the same rows, gives other answers")


def same_seed(subject: LearnerSubject) -> None:
    """Fit twice with the same options while NumPy's global state differs."""
    seed = {"seed": 9} if subject.declares("seed") else {}
    kept = np.random.get_state()
    try:
        answers = []
        for state in (1, 2):
            np.random.seed(state)
            answers.append(subject.answers(subject.fitted(**seed)))
    finally:
        np.random.set_state(kept)
    require(np.array_equal(answers[0], answers[1]), "two fits with the same seed give other answers")


def label_gaps(subject: LearnerSubject) -> None:
    """Fit on labels 1, 4 and 7, and on two of them."""
    gaps = np.array([1, 4, 7])
    for classes in ([1, 4, 7], [1, 7]):
        labels = gaps[subject.labels]
        chosen = np.isin(labels, classes)
        learner = subject.new()
        learner.fit(subject.rows[chosen], labels[chosen])
        found = np.asarray(learner.classes_).tolist()
        require(found == classes, f"fitted on labels {classes}, classes_ is {found}")
        if hasattr(learner, "predict_proba"):
            columns = learner.predict_proba(subject.rows[:1]).shape[-1]
            require(columns == len(classes), f"fitted on labels {classes}, it has {columns} columns")
        right = np.mean(learner.predict(subject.rows[chosen]) == labels[chosen])
        require(right > 0.9, f"fitted on labels {classes}, {right:.0%} of the same rows are right")


def input_untouched(subject: LearnerSubject) -> None:
    """Compare the arrays before and after."""
    rows, labels = subject.rows.copy(), subject.labels.copy()
    learner = subject.new()
    learner.fit(rows, labels)
    require(np.array_equal(rows, subject.rows), "fit writes into the features")
    require(np.array_equal(labels, subject.labels), "fit writes into the labels")
    learner.predict(rows)
    require(np.array_equal(rows, subject.rows), "predict writes into the features")


def read_only_input(subject: LearnerSubject) -> None:
    """Give arrays that cannot be written."""
    rows, labels = subject.rows.copy(), subject.labels.copy()
    rows.flags.writeable = labels.flags.writeable = False
    learner = subject.new()
    learner.fit(rows, labels)
    learner.predict(rows)


_promise = partial(promise, after=("whole-labels",))


_OWN = (
    Check(
        name="members",
        check=members,
        sentence="It has the methods `fit` and `predict`.",
        remedy=REMEDY,
    ),
    _promise(
        "declared-probabilities",
        declared_probabilities,
        "It has `predict_proba` exactly if its spec says `probabilities=True`.",
        "set probabilities= of the LearnerSpec to what the learner can do",
        after=("members",),
    ),
    _promise(
        "probability-rows",
        probability_rows,
        "Probabilities lie in [0, 1] and every row sums to 1.",
        "divide each row by its sum; a decision function is no probability",
        after=("declared-probabilities", "whole-labels"),
    ),
    _promise(
        "column-order",
        column_order,
        "Columns of `predict_proba` are in the order of `classes_`.",
        "sort the columns with the classes",
        after=("probability-rows", "sorted-classes"),
    ),
    _promise(
        "sorted-classes",
        sorted_classes,
        "After `fit`, `classes_` holds the labels it saw in ascending order.",
        "set self.classes_ = np.unique(y) in fit",
    ),
    _promise(
        "whole-labels",
        whole_labels,
        "`predict` gives one whole number for each row, a label that it saw.",
        "return classes_[column], and let it be of the labels' own type",
        after=("members",),
    ),
    _promise(
        "row-independence",
        row_independence,
        "What it says of a row depends on that row only.",
        "take means, scales and ranks from the rows of fit, never from those of predict",
        after=("whole-labels", "same-seed-same-result"),
    ),
    _promise(
        "learns",
        learns,
        "It tells classes apart that lie far apart.",
        "look at what fit does with its labels",
    ),
    _promise(
        "dead-features",
        dead_features,
        "Features that never vary do no harm: networks have some that are 0 for every image.",
        "guard divisions by a standard deviation or a range against 0",
        after=("learns",),
    ),
    _promise(
        "unfitted-use",
        unfitted_use,
        "`predict` before `fit` raises NotFittedError, or another ValueError.",
        "call sklearn.utils.validation.check_is_fitted(self) first",
    ),
    _promise(
        "clonable",
        clonable,
        "`sklearn.base.clone` gives an unfitted learner that learns the same.",
        "inherit BaseEstimator, and keep the constructor's arguments under their own names, unchanged",
        after=("same-seed-same-result",),
    ),
    _promise(
        "same-seed-same-result",
        same_seed,
        "The same seed gives the same result, whatever NumPy's global random state.",
        "take a seed option, and draw from np.random.default_rng(seed) or pass random_state=seed",
    ),
    _promise(
        "label-gaps",
        label_gaps,
        "It can be fitted on any labels, such as 1, 4 and 7: a fold may lack classes.",
        "count classes by np.unique(y), not by y.max() + 1; return classes_[column] from predict",
        after=("learns", "sorted-classes"),
    ),
    _promise(
        "input-untouched",
        input_untouched,
        "`fit` and `predict` leave their arrays as they were.",
        "work on a copy where you scale or centre",
    ),
    _promise(
        "read-only-input",
        read_only_input,
        "Arrays that cannot be written are accepted, as rows of a store may be.",
        "ask for no writable buffer: no in-place operation, no Cython 'double[:]' without const",
        after=("input-untouched",),
    ),
)

PROMISES = (*_OWN, runs_after(_OWN, "unfitted-use"))
