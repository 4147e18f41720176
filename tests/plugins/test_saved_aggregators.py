"""Built-in aggregators come back from their state, and say how certain they are about their labels."""

from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.making import configured, probabilities
from support.stacks import Stack, many, stacks

from stackkit.api import PluginError, State
from stackkit.evaluation.scores import scores
from stackkit.host.configured_component import ConfiguredComponent
from stackkit.host.option_syntax import parse
from stackkit.testing.transport import transported
from stackkit_plugins import (
    average_svm,
    concat,
    ensemble_selection,
    linear_svm,
    logistic,
    stacked_logistic,
    voting,
)

AGGREGATORS: dict[str, ModuleType] = {
    "average-svm": average_svm,
    "soft-vote": voting,
    "geometric-vote": voting,
    "majority-vote": voting,
    "weighted-vote": voting,
    "ensemble-selection": ensemble_selection,
    "stacked-logistic": stacked_logistic,
}
CASES = [
    *AGGREGATORS,
    "average-svm:fit_on=out-of-fold,dual=auto,class_weight=balanced",
    "weighted-vote:fit_on=in-sample,class_weight=balanced",
    "ensemble-selection:bags=3,metric=accuracy",
    "stacked-logistic:C=10,class_weight=balanced",
]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def component(text: str) -> ConfiguredComponent:
    ((name, options),) = parse(text)
    return configured(AGGREGATORS[name], name, **options)


def carried(chosen: ConfiguredComponent, fitted: Any, n_classes: int, **context: Any) -> Any:
    """Return the aggregator that comes back from the state of `fitted`."""
    kept = {"learner_state": context["learner"].state_of} if context else {}
    back = {"restore_learner": context["learner"].restored} if context else {}
    state = transported(chosen.state_of(fitted, **kept))
    return chosen.restored(state, n_classes=n_classes, **back)


def assert_same_answers(restored: Any, fitted: Any, inputs: Any, count: int, n_classes: int) -> None:
    labels = fitted.predict(inputs)
    assert np.array_equal(restored.predict(inputs), labels)
    for method in ("predict_proba", "decision_function"):
        assert hasattr(restored, method) == hasattr(fitted, method)
        if hasattr(fitted, method):
            found, expected = (getattr(each, method)(inputs) for each in (restored, fitted))
            assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
            assert np.array_equal(found, expected)
    certain = scores(restored, inputs, count, n_classes)
    assert certain.argmax(axis=1).tolist() == labels.tolist()
    assert restored.fit_on == fitted.fit_on


@many
@given(
    text=st.sampled_from(CASES),
    stack=stacks(),
    dtype=st.sampled_from([np.float32, np.float64]),
    unseen=st.booleans(),
)
def test_a_restored_aggregator_gives_the_same_bits_and_is_surest_of_its_label(
    text: str, stack: Stack, dtype: type, unseen: bool
) -> None:
    given, labels = stack
    given = given.astype(dtype)
    if unseen:  # a class without training rows
        given = np.concatenate([given, np.zeros_like(given[:, :, :1])], axis=2)
    if text.startswith("average-svm") and len(set(labels.tolist())) < 2:
        return  # LinearSVC refuses a single class
    chosen = component(text)
    fitted = chosen.create()
    fitted.fit(given, labels)
    n_classes = given.shape[2]
    restored = carried(chosen, fitted, n_classes)
    assert_same_answers(restored, fitted, given, len(labels), n_classes)
    assert_same_answers(restored, fitted, given[:, :1], 1, n_classes)


@pytest.mark.parametrize("name", ["soft-vote", "geometric-vote", "majority-vote", "weighted-vote"])
def test_probabilities_sum_to_1(name: str, labels: np.ndarray) -> None:
    fitted = component(name).create().fit(probabilities(labels, 1), labels)
    made = fitted.predict_proba(probabilities(labels, 1, 1))
    assert np.allclose(made.sum(axis=1), 1)
    assert made.min() >= 0


@pytest.mark.parametrize(
    "learner", [configured(logistic, "logistic"), configured(linear_svm, "linear-svm")]
)
@pytest.mark.parametrize("classes", [2, 4])
def test_concat_comes_back_with_its_learner(learner: ConfiguredComponent, classes: int) -> None:
    chosen, random = configured(concat), np.random.default_rng(0)
    labels = np.arange(60) % classes
    features = [
        np.asfortranarray(random.random((60, width), np.float32) + labels[:, None] % 2)
        for width in (7, 12)
    ]
    fitted = chosen.create()
    fitted.fit(features, labels, learner.create())
    restored = carried(chosen, fitted, classes, learner=learner)
    assert_same_answers(restored, fitted, features, 60, classes)
    assert scores(restored, features, 60, classes + 1).argmax(axis=1).tolist() == (
        fitted.predict(features).tolist()
    )
    with pytest.raises(ValueError, match=r"fitted on features of widths \[7, 12\], got \[12, 7\]"):
        restored.predict(features[::-1])


def test_a_state_that_does_not_fit_is_refused_in_one_line(labels: np.ndarray) -> None:
    known = probabilities(labels, 1)
    state_of = {
        name: component(name).state_of(component(name).create().fit(known, labels))
        for name in ("weighted-vote", "stacked-logistic", "average-svm", "majority-vote")
    }

    def broken(name: str, **arrays: np.ndarray) -> tuple[str, State]:
        return name, replace(state_of[name], arrays={**state_of[name].arrays, **arrays})

    cases = {
        "the array weights must have shape": broken("weighted-vote", weights=np.zeros((3, 1))),
        "weights must be at least 0": broken("weighted-vote", weights=np.array([-1.0, 1, 1])),
        "the array intercept must have shape (5,)": broken("stacked-logistic", intercept=np.zeros(4)),
        "classes_ must be below 5": broken("majority-vote", classes=np.arange(6)),
        "the array classes is missing": ("majority-vote", State()),
        "the value learners must be an integer": (
            "average-svm",
            replace(state_of["average-svm"], values={}),
        ),
    }
    for reason, (name, state) in cases.items():
        with pytest.raises(PluginError) as caught:
            component(name).restored(state, n_classes=5)
        assert reason in str(caught.value)
    for name in ("weighted-vote", "stacked-logistic", "average-svm"):
        restored = component(name).restored(state_of[name])
        with pytest.raises(ValueError, match="fitted on 3 learners, got probabilities of 2"):
            restored.predict(known[:2])
