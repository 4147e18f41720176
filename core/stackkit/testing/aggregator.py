"""What an aggregator promises: to learn from what it is handed, and from nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from stackkit.testing.promise import BrokenError, Promise, require, skip
from stackkit.testing.subject import Subject
from stackkit.types import FitOn

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

    def inputs(self, sharpness: float, seed: int) -> Inputs:
        """What favours the labels the more the sharper; at 0 it says nothing about them."""
        random = np.random.default_rng(seed)
        if self.on_features:
            means = [
                sharpness * np.random.default_rng(width).normal(size=(CLASSES, width))
                for width in (16, 5)
            ]
            return [
                (mean[self.labels] + random.normal(size=(N, mean.shape[1]))).astype(np.float32)
                for mean in means
            ]
        scores = random.normal(size=(LEARNERS, N, CLASSES)) + sharpness * np.eye(CLASSES)[self.labels]
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

    def require_repeatable(self) -> None:
        """Skip a comparison of two fits that repeatability has to come before."""
        _ = self.made
        if not self.is_repeatable:
            skip("two fits differ: mend repeatability first")

    def right(self, sharpness: float, labels: NDArray[np.int64]) -> float:
        """The share of new rows that are given their label after fitting on known ones."""
        aggregator = self.fitted(self.inputs(sharpness, 0), labels.copy())
        return float(np.mean(aggregator.predict(self.inputs(sharpness, 1)) == labels))


def fit_on(subject: AggregatorSubject) -> None:
    """Read the word."""
    words, found = get_args(FitOn), getattr(subject.made, "fit_on", None)
    require(found in words, f"fit_on is {found!r}; one of {', '.join(words)} is wanted")


def recovers_labels(subject: AggregatorSubject) -> None:
    """Fit on inputs that leave no doubt."""
    _ = subject.made
    right = subject.right(9, subject.labels)
    require(right > 0.99, f"where the learners leave no doubt, {right:.0%} of new rows are right")


def chance_on_shuffled(subject: AggregatorSubject) -> None:
    """Fit on labels that the inputs say nothing about: within 5 standard errors of chance."""
    _ = subject.made
    right = subject.right(0, np.random.default_rng(2).permutation(subject.labels))
    chance = 1 / CLASSES
    gap = 5 * (chance * (1 - chance) / N) ** 0.5
    require(abs(right - chance) <= gap, f"{right:.0%} of labels that were shuffled are right")


def order_of_learners(subject: AggregatorSubject) -> None:
    """Turn the learners round, for fitting and for predicting."""
    if subject.on_features:
        skip("features side by side may stand in any order that is kept")
    if getattr(subject.made, "ordered", False):
        skip("it declares ordered = True: the order of learners means something to it")
    subject.require_repeatable()
    first = subject.fitted(subject.inputs(1, 0), subject.labels)
    other = subject.fitted(subject.inputs(1, 0)[::-1], subject.labels)
    turned = np.asarray(other.predict(subject.inputs(1, 1)[::-1]))
    changed = float(np.mean(first.predict(subject.inputs(1, 1)) != turned))
    require(changed <= 0.01, f"{changed:.0%} of predictions change when the learners are turned round")


def refit_forgets(subject: AggregatorSubject) -> None:
    """Fit one object twice, and a new one on the second rows only."""
    subject.require_repeatable()
    aggregator = subject.fitted(subject.inputs(1, 0), (subject.labels + 1) % CLASSES)
    subject.fit(aggregator, subject.inputs(1, 1), subject.labels)
    fresh = subject.fitted(subject.inputs(1, 1), subject.labels)
    again, wanted = (each.predict(subject.inputs(1, 0)) for each in (aggregator, fresh))
    same = np.array_equal(again, wanted)
    require(same, "fitted again, it predicts other labels than one that saw the last rows only")


def unfitted_use(subject: AggregatorSubject) -> None:
    """Predict before fitting, if fitting changes anything."""
    _ = subject.made
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
    raise BrokenError("predict answers before fit was called")


def input_untouched(subject: AggregatorSubject) -> None:
    """Compare the arrays before and after."""
    _ = subject.made
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
    _ = subject.made
    require(subject.is_repeatable, "two fits on the same rows predict other labels")


def _promise(
    name: str, check: Callable[[AggregatorSubject], None], sentence: str, remedy: str
) -> Promise:
    return Promise(name=name, check=check, sentence=sentence, remedy=remedy)


PROMISES = (
    _promise(
        "fit-on",
        fit_on,
        '`fit_on` is "in-sample", "out-of-fold" or "features", and `fit` takes what that promises.',
        "set fit_on on the class, or from an option of that name",
    ),
    _promise(
        "recovers-labels",
        recovers_labels,
        "Where the learners leave no doubt, it predicts what they say.",
        "check the axes: (n_learners, n_samples, n_classes), or one (n_samples, d) per backbone",
    ),
    _promise(
        "chance-on-shuffled-labels",
        chance_on_shuffled,
        "Labels that its inputs say nothing about are met by chance only.",
        "let predict depend on the rows it is given, and on nothing that fit kept of single rows",
    ),
    _promise(
        "order-of-learners",
        order_of_learners,
        "The order of learners is immaterial, or the aggregator has `ordered = True`.",
        "treat learners alike, or declare ordered = True on the class",
    ),
    _promise(
        "refit-forgets",
        refit_forgets,
        "`fit` forgets an earlier fit.",
        "set every attribute anew in fit; append to nothing",
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
