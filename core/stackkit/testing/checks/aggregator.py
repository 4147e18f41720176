"""Checks of an aggregator: it learns from the arrays it is given, and from nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from stackkit.api.aggregator import FitOn
from stackkit.evaluation.probabilities import checked_labels
from stackkit.evaluation.scores import scores
from stackkit.testing.check import CheckList, attempt, require, skip
from stackkit.testing.checks.exported import add_onnx_check, logistic_nodes
from stackkit.testing.checks.saved import add_state_checks, logistic_state, restore_logistic
from stackkit.testing.end_to_end import runs_after
from stackkit.testing.under_test import ComponentUnderTest

Inputs: TypeAlias = Sequence[NDArray[Any]] | NDArray[Any]
"""(n_learners, n, n_classes) probabilities, or one (n, d) matrix of features for each backbone."""

N, CLASSES, LEARNERS = 200, 5, 3


@dataclass(frozen=True, kw_only=True)
class AggregatorUnderTest(ComponentUnderTest):
    """An aggregator, and inputs as its `fit_on` requires them."""

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """(200,) labels of 5 classes in random order."""
        return np.random.default_rng(4).permutation(N) % CLASSES

    @property
    def on_features(self) -> bool:
        """Whether it works on features, in place of a whole stack."""
        return getattr(self.made, "fit_on", None) == "features"

    def inputs(self, sharpness: float, seed: int, count: int = LEARNERS) -> Inputs:
        """Return inputs from `count` learners or backbones; they favour the labels by `sharpness`."""
        random = np.random.default_rng(seed)
        if self.on_features:
            means = [
                sharpness * np.random.default_rng(width).normal(size=(CLASSES, width))
                for width in ([16, 5, 9, 7] * (count // 4 + 1))[:count]
            ]
            return [
                (mean[self.labels] + random.normal(size=(N, mean.shape[1]))).astype(np.float32)
                for mean in means
            ]
        scores = random.normal(size=(count, N, CLASSES)) + sharpness * np.eye(CLASSES)[self.labels]
        exponentials = np.exp(scores)
        probabilities: NDArray[Any] = exponentials / exponentials.sum(axis=2, keepdims=True)
        return probabilities

    def fitted(self, inputs: Inputs, labels: NDArray[np.int64], **changed: Any) -> Any:
        """Return a new aggregator, fitted as in a run; `fit` need not return it."""
        aggregator = self.create(**changed)
        learner = (LogisticRegression(),) if self.on_features else ()
        aggregator.fit(inputs, labels, *learner)
        return aggregator


CHECKS = CheckList(after=("whole-labels",))


@CHECKS.add("fit-on", "set fit_on on the class, or from an option of that name", after=())
def fit_on(component: AggregatorUnderTest) -> None:
    """`fit_on` is "in-sample", "out-of-fold" or "features", and `fit` takes what that means."""
    words, found = get_args(FitOn), getattr(component.made, "fit_on", None)
    require(found in words, f"fit_on must be one of {', '.join(words)}, got {found!r}")


@CHECKS.add(
    "whole-labels",
    "return the column of the class, as in scores.argmax(axis=1) of (n_samples, n_classes)",
    after=("fit-on",),
)
def whole_labels(component: AggregatorUnderTest) -> None:
    """`predict` returns one integer for each row, a label from 0 to n_classes - 1."""
    known, new = component.inputs(1, 0), component.inputs(1, 1)
    aggregator = attempt("fit", lambda: component.fitted(known, component.labels.copy()))
    checked_labels(attempt("predict", lambda: aggregator.predict(new)), N, CLASSES)


@CHECKS.add(
    "recovers-labels",
    "check the axes: (n_learners, n_samples, n_classes), or one (n_samples, d) per backbone; guard what "
    "compares learners (a variance, a correlation) against a single learner",
)
def recovers_labels(component: AggregatorUnderTest) -> None:
    """If the learners are sure of a label, it predicts this label, be it one learner or forty."""
    for count, expected in ((LEARNERS, 0.99), (1, 0.95), (40, 0.95)):
        aggregator = component.fitted(component.inputs(9, 0, count), component.labels.copy())
        right = np.mean(aggregator.predict(component.inputs(9, 1, count)) == component.labels)
        require(right > expected, f"if {count} learners are sure of the labels, {right:.0%} are right")


@CHECKS.add(
    "chance-on-shuffled-labels",
    "let predict depend on the rows it is given, and on nothing that fit kept of single rows",
    after=("repeatability",),
)
def chance_on_shuffled_labels(component: AggregatorUnderTest) -> None:
    """Labels that its inputs do not predict are met by chance only, within 5 standard errors."""
    labels = np.random.default_rng(2).permutation(component.labels)
    aggregator = component.fitted(component.inputs(0, 0), labels.copy())
    right = float(np.mean(aggregator.predict(component.inputs(0, 1)) == labels))
    chance = 1 / CLASSES
    allowed = 5 * (chance * (1 - chance) / N) ** 0.5
    require(abs(right - chance) <= allowed, f"{right:.0%} of shuffled labels are right")


@CHECKS.add(
    "row-independence",
    "take means, ranks and orders from the rows of fit, never from those of predict",
    after=("chance-on-shuffled-labels",),
)
def row_independence(component: AggregatorUnderTest) -> None:
    """The label that it predicts for a row does not depend on the other rows."""
    aggregator = component.fitted(component.inputs(1, 0), component.labels.copy())
    together = np.asarray(aggregator.predict(component.inputs(1, 1)))[:50]
    new = component.inputs(1, 1)  # the call above may have written into its argument
    alone = np.concatenate([aggregator.predict(_row(new, i)) for i in range(50)])
    require(alone.shape == together.shape, f"50 rows, one by one, have {len(alone)} labels")
    changed = float(np.mean(alone != together))
    # Sums in another order may decide a tie.
    require(changed <= 0.02, f"{changed:.0%} of rows have another label alone than in a batch")


def _row(inputs: Inputs, i: int) -> Inputs:
    if isinstance(inputs, np.ndarray):
        return inputs[:, i : i + 1]
    return [matrix[i : i + 1] for matrix in inputs]


@CHECKS.add(
    "absent-class",
    "guard logarithms and divisions by a class's share against 0",
    after=("recovers-labels",),
)
def absent_class(component: AggregatorUnderTest) -> None:
    """A class without training samples, whose probabilities are 0, is never predicted."""
    known, new, labels = component.inputs(9, 0), component.inputs(9, 1), component.labels
    # Samples of class 3 count as class 2 in fit, and their true label is ignored below.
    seen = np.where(labels == 3, 2, labels)
    for inputs in (known, new):
        if isinstance(inputs, np.ndarray):
            inputs[:, :, 3] = 0
            inputs /= inputs.sum(axis=2, keepdims=True)
    predicted = np.asarray(component.fitted(known, seen.copy()).predict(new))
    wrong = int(np.sum(predicted == 3))
    require(not wrong, f"for {wrong} of {N} rows it predicts a class that it has never seen")
    right = float(np.mean(predicted[labels != 3] == labels[labels != 3]))
    require(right > 0.95, f"if a class has no sample, {right:.0%} of the others' rows are right")


@CHECKS.add(
    "order-of-learners",
    "treat learners alike, or declare ordered = True on the class",
    after=("repeatability",),
)
def order_of_learners(component: AggregatorUnderTest) -> None:
    """Results do not depend on the order of learners, or the aggregator declares `ordered = True`."""
    if component.on_features:
        skip("the order of features side by side need not be immaterial")
    if getattr(component.made, "ordered", False):
        skip("it declares ordered = True")
    first = component.fitted(component.inputs(1, 0), component.labels)
    other = component.fitted(component.inputs(1, 0)[::-1], component.labels)
    reversed_labels = np.asarray(other.predict(component.inputs(1, 1)[::-1]))
    changed = float(np.mean(first.predict(component.inputs(1, 1)) != reversed_labels))
    # Sums in another order may decide a tie.
    require(changed <= 0.01, f"{changed:.0%} of labels change if the order of learners is reversed")


@CHECKS.add(
    "learns-nothing",
    "leave learns=False out of the spec, or keep nothing in fit but which labels there are",
    after=("repeatability",),
)
def learns_nothing(component: AggregatorUnderTest) -> None:
    """With `learns=False` in its spec, it predicts the same whatever inputs it was fitted on."""
    if getattr(component.component.spec, "learns", True):
        skip("it may learn")
    first, other = (
        component.fitted(component.inputs(sharpness, seed), component.labels.copy())
        for sharpness, seed in ((9, 0), (0, 5))
    )
    changed = np.mean(first.predict(component.inputs(1, 1)) != other.predict(component.inputs(1, 1)))
    require(not changed, f"{changed:.0%} of labels change if it is fitted on other inputs")


@CHECKS.add("input-untouched", "work on a copy when you clip, scale or normalise")
def input_untouched(component: AggregatorUnderTest) -> None:
    """`fit` and `predict` do not change the arrays they are given."""
    mine, before, labels = component.inputs(1, 0), component.inputs(1, 0), component.labels.copy()
    aggregator = component.fitted(mine, labels)
    require(_same(mine, before), "fit writes into its inputs")
    require(np.array_equal(labels, component.labels), "fit writes into the labels")
    aggregator.predict(mine)
    require(_same(mine, before), "predict writes into its inputs")


def _same(mine: Inputs, before: Inputs) -> bool:
    return all(np.array_equal(*pair) for pair in zip(mine, before, strict=True))


@CHECKS.add("repeatability", "declare a seed option, and draw from np.random.default_rng(seed)")
def repeatability(component: AggregatorUnderTest) -> None:
    """The same rows and options give the same labels, whatever NumPy's global random state is."""
    state_before = np.random.get_state()
    try:
        labels = []
        for state in (1, 2):
            np.random.seed(state)
            aggregator = component.fitted(component.inputs(1, 0), component.labels.copy())
            labels.append(np.asarray(aggregator.predict(component.inputs(1, 1))))
    finally:
        np.random.set_state(state_before)
    require(np.array_equal(labels[0], labels[1]), "two fits on the same rows predict other labels")


@CHECKS.add(
    "surest-label",
    "return the scores that predict decides by, with a column for each class or for each of classes_",
    after=("recovers-labels",),
)
def surest_label(component: AggregatorUnderTest) -> None:
    """`predict_proba` or `decision_function`, if it has one, is highest for the predicted label."""
    aggregator, new = component.fitted(component.inputs(1, 0), component.labels), component.inputs(1, 1)
    if not (hasattr(aggregator, "predict_proba") or hasattr(aggregator, "decision_function")):
        skip("it has neither predict_proba nor decision_function")
    surest = scores(aggregator, new, N, CLASSES).argmax(axis=1)
    wrong = float(np.mean(surest != aggregator.predict(new)))
    require(not wrong, f"in {wrong:.0%} of rows it is surest of another class than it predicts")


def _fit(component: AggregatorUnderTest, draw: int, /, **changed: Any) -> Any:
    return component.fitted(component.inputs(1, draw), component.labels.copy(), **changed)


def _context(component: AggregatorUnderTest) -> dict[str, dict[str, Any]]:
    if not component.on_features:
        return {}
    return {
        "state": {"learner_state": logistic_state},
        "restore": {"restore_learner": restore_logistic},
        "onnx": {"learner": logistic_nodes},
    }


def _inputs(component: AggregatorUnderTest) -> Inputs:
    return component.inputs(1, 2)


def _scores(fitted: Any, inputs: Inputs) -> NDArray[np.float64]:
    return scores(fitted, inputs, N, CLASSES)


add_state_checks(CHECKS, _fit, _inputs, _context, after=("repeatability",))
add_onnx_check(CHECKS, _fit, _inputs, _scores, _context)
CHECKS.append(runs_after(CHECKS))
