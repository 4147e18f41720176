"""What an aggregator promises: to learn from what it is handed, and from nothing else."""

from __future__ import annotations

from functools import partial
from typing import get_args

import numpy as np

from stackkit.api.types import FitOn
from stackkit.testing.check import Check, CheckFailedError, promise, require, skip, worked
from stackkit.testing.end_to_end import runs_after
from stackkit.testing.fixtures.aggregator import (
    CLASSES,
    LEARNERS,
    AggregatorSubject,
    Inputs,
    N,
    rows_of,
)
from stackkit.testing.protocols import REMEDY, anything, method, require_members


def members(subject: AggregatorSubject) -> None:
    """Read each of them."""
    fit_on = anything("fit_on", f"one of {', '.join(get_args(FitOn))}")
    require_members(subject.made, (fit_on, method("fit"), method("predict")))


def fit_on(subject: AggregatorSubject) -> None:
    """Read the word."""
    words, found = get_args(FitOn), getattr(subject.made, "fit_on", None)
    require(found in words, f"fit_on is {found!r}; one of {', '.join(words)} is wanted")


def recovers_labels(subject: AggregatorSubject) -> None:
    """Fit on inputs that leave no doubt."""
    right = subject.recovered
    require(right > 0.99, f"where the learners leave no doubt, {right:.0%} of new rows are right")


def whole_labels(subject: AggregatorSubject) -> None:
    """Look at shape, type and range of what it predicts."""
    known, new = subject.inputs(1, 0), subject.inputs(1, 1)
    aggregator = worked("fit", lambda: subject.fitted(known, subject.labels.copy()))
    predicted = worked("predict", lambda: np.asarray(aggregator.predict(new)))
    require(predicted.shape == (N,), f"shape {predicted.shape} for {N} rows")
    require(predicted.dtype.kind in "iu", f"it predicts {predicted.dtype}, not whole numbers")
    others = sorted(set(predicted.tolist()) - set(range(CLASSES)))
    require(not others, f"there are {CLASSES} classes, and it predicts {others[:1]}")


def chance_on_shuffled(subject: AggregatorSubject) -> None:
    """Fit on labels that the inputs say nothing about: within 5 standard errors of chance."""
    labels = np.random.default_rng(2).permutation(subject.labels)
    aggregator = subject.fitted(subject.inputs(0, 0), labels.copy())
    right = float(np.mean(aggregator.predict(subject.inputs(0, 1)) == labels))
    chance = 1 / CLASSES
    gap = 5 * (chance * (1 - chance) / N) ** 0.5
    require(abs(right - chance) <= gap, f"{right:.0%} of labels that were shuffled are right")


def row_independence(subject: AggregatorSubject) -> None:
    """Ask for some rows one by one, and for all at once; sums in another order may decide ties."""
    aggregator = subject.fitted(subject.inputs(1, 0), subject.labels.copy())
    together = np.asarray(aggregator.predict(subject.inputs(1, 1)))[:50]
    new = subject.inputs(1, 1)
    alone = np.concatenate([aggregator.predict(rows_of(new, np.array([i]))) for i in range(50)])
    require(alone.shape == together.shape, f"50 rows, one by one, are given {len(alone)} labels")
    changed = float(np.mean(alone != together))
    require(changed <= 0.02, f"{changed:.0%} of rows have another label alone than among others")


def number_of_learners(subject: AggregatorSubject) -> None:
    """Fit on those of one, and of forty."""
    for count in (1, 40):
        right = subject.right(count)
        require(right > 0.95, f"with {count} instead of {LEARNERS}, {right:.0%} of new rows are right")


def absent_class(subject: AggregatorSubject) -> None:
    """Leave a class out: what no learner ever saw has probability 0."""
    known, new, labels = subject.inputs(9, 0), subject.inputs(9, 1), subject.labels
    seen = np.where(labels == 3, 2, labels)
    for inputs in (known, new):
        if isinstance(inputs, np.ndarray):
            inputs[:, :, 3] = 0
            inputs /= inputs.sum(axis=2, keepdims=True)
    predicted = np.asarray(subject.fitted(known, seen.copy()).predict(new))
    wrong = int(np.sum(predicted == 3))
    require(not wrong, f"{wrong} of {N} rows are given a class that it never saw")
    right = float(np.mean(predicted[labels != 3] == labels[labels != 3]))
    require(right > 0.95, f"where a class has no sample, {right:.0%} of the others' rows are right")


def order_of_learners(subject: AggregatorSubject) -> None:
    """Turn the learners round, for fitting and for predicting."""
    if subject.on_features:
        skip("features side by side may stand in any order that is kept")
    if getattr(subject.made, "ordered", False):
        skip("it declares ordered = True: the order of learners means something to it")
    first = subject.fitted(subject.inputs(1, 0), subject.labels)
    other = subject.fitted(subject.inputs(1, 0)[::-1], subject.labels)
    turned = np.asarray(other.predict(subject.inputs(1, 1)[::-1]))
    changed = float(np.mean(first.predict(subject.inputs(1, 1)) != turned))
    require(changed <= 0.01, f"{changed:.0%} of predictions change when the learners are turned round")


def refit_forgets(subject: AggregatorSubject) -> None:
    """Fit one object twice, and a new one on the second rows only."""
    aggregator = subject.fitted(subject.inputs(1, 0), (subject.labels + 1) % CLASSES)
    subject.fit(aggregator, subject.inputs(1, 1), subject.labels)
    fresh = subject.fitted(subject.inputs(1, 1), subject.labels)
    again, wanted = (each.predict(subject.inputs(1, 0)) for each in (aggregator, fresh))
    same = np.array_equal(again, wanted)
    require(same, "fitted again, it predicts other labels than one that saw the last rows only")


def unfitted_use(subject: AggregatorSubject) -> None:
    """Predict before fitting, if fitting changes anything."""
    try:
        subject.create().predict(subject.inputs(3, 1))
    except ValueError:  # as scikit-learn's NotFittedError is one
        return
    straight, turned = (
        subject.fitted(subject.inputs(3, 0), labels).predict(subject.inputs(3, 1))
        for labels in (subject.labels, (subject.labels + 1) % CLASSES)
    )
    if np.array_equal(straight, turned):
        skip("it learns nothing, so it can predict at once")
    raise CheckFailedError("predict answers before fit was called")


def input_untouched(subject: AggregatorSubject) -> None:
    """Compare the arrays before and after."""
    mine, before, labels = subject.inputs(1, 0), subject.inputs(1, 0), subject.labels.copy()
    aggregator = subject.fitted(mine, labels)
    require(_same(mine, before), "fit writes into its inputs")
    require(np.array_equal(labels, subject.labels), "fit writes into the labels")
    aggregator.predict(mine)
    require(_same(mine, before), "predict writes into its inputs")


def _same(mine: Inputs, before: Inputs) -> bool:
    return all(np.array_equal(*pair) for pair in zip(mine, before, strict=True))


def repeatability(subject: AggregatorSubject) -> None:
    """Fit twice with the same options while NumPy's global state differs."""
    require(subject.is_repeatable, "two fits on the same rows predict other labels")


_promise = partial(promise, after=("whole-labels",))


_OWN = (
    Check(
        name="members",
        check=members,
        sentence="It has `fit_on` and the methods `fit` and `predict`.",
        remedy=REMEDY,
    ),
    _promise(
        "fit-on",
        fit_on,
        '`fit_on` is "in-sample", "out-of-fold" or "features", and `fit` takes what that promises.',
        "set fit_on on the class, or from an option of that name",
        after=("members",),
    ),
    _promise(
        "recovers-labels",
        recovers_labels,
        "Where the learners leave no doubt, it predicts what they say.",
        "check the axes: (n_learners, n_samples, n_classes), or one (n_samples, d) per backbone",
    ),
    _promise(
        "whole-labels",
        whole_labels,
        "`predict` gives one whole number for each row, a label from 0 to n_classes - 1.",
        "return the column of the class, such as scores.argmax(axis=1) of (n_samples, n_classes) scores",
        after=("fit-on",),
    ),
    _promise(
        "chance-on-shuffled-labels",
        chance_on_shuffled,
        "Labels that its inputs say nothing about are met by chance only.",
        "let predict depend on the rows it is given, and on nothing that fit kept of single rows",
        after=("repeatability",),
    ),
    _promise(
        "row-independence",
        row_independence,
        "What it predicts for a row depends on that row only.",
        "take means, ranks and orders from the rows of fit, never from those of predict",
        after=("chance-on-shuffled-labels",),
    ),
    _promise(
        "number-of-learners",
        number_of_learners,
        "One learner or backbone is enough, and forty are not too many.",
        "guard what compares learners (a variance, a correlation) against there being one",
        after=("recovers-labels",),
    ),
    _promise(
        "absent-class",
        absent_class,
        "A class without a sample to learn from, whose probabilities are 0, is never predicted.",
        "guard logarithms and divisions by a class's share against 0",
        after=("recovers-labels",),
    ),
    _promise(
        "order-of-learners",
        order_of_learners,
        "The order of learners is immaterial, or the aggregator has `ordered = True`.",
        "treat learners alike, or declare ordered = True on the class",
        after=("repeatability",),
    ),
    _promise(
        "refit-forgets",
        refit_forgets,
        "`fit` forgets an earlier fit.",
        "set every attribute anew in fit; append to nothing",
        after=("repeatability",),
    ),
    _promise(
        "unfitted-use",
        unfitted_use,
        "If it learns, `predict` before `fit` raises ValueError.",
        "raise ValueError (or NotFittedError) in predict until fit was called",
    ),
    _promise(
        "input-untouched",
        input_untouched,
        "`fit` and `predict` leave their arrays as they were.",
        "work on a copy where you clip, scale or normalise",
    ),
    _promise(
        "repeatability",
        repeatability,
        "The same rows and options give the same predictions, whatever NumPy's global random state.",
        "take a seed option, and draw from np.random.default_rng(seed)",
    ),
)

PROMISES = (*_OWN, runs_after(_OWN, "unfitted-use"))
