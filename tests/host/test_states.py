"""The state of a fitted classifier is checked before it is saved and after it is restored."""

import enum
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from stackkit.api import LearnerSpec, Option, PluginError, State, UsageError
from stackkit.host.component import Component
from stackkit.host.configured_component import ConfiguredComponent

RESTORED = SimpleNamespace(predict=len, predict_proba=len, classes_=np.arange(3))
WITHOUT_NAMES = {"state": "", "restore": ""}


def state(fitted: Any, **context: Any) -> Any:
    return context.get("learner_state", lambda given: given)(fitted)


def restore(state: State, *, seed: int, restore_learner: Any = None) -> Any:
    return state.values.get("made") or RESTORED


def restore_without_options(state: State) -> Any:
    return RESTORED


def component(**fields: Any) -> ConfiguredComponent:
    spec = LearnerSpec(
        name="toy",
        summary="a toy",
        factory=f"{__name__}:restore",
        options=(Option(name="seed", default=0, help="seed"),),
        **{"state": f"{__name__}:state", "restore": f"{__name__}:restore", **fields},
    )
    made = Component(spec=spec, plugin="toys", distribution="stackkit-toys", version="1")
    return ConfiguredComponent(component=made, options={"seed": 0}, name="toy")


class Colour(enum.IntEnum):
    RED = 1


def nested(depth: int) -> State:
    return State(parts={"inner": nested(depth - 1)}) if depth else State()


BROKEN = {
    "must be a stackkit.api.State, got dict": {"a": 1},
    "values of the state must be a dict, got list": State(values=[1]),  # type: ignore[arg-type]
    "values of the state must have names": State(values={1: 1}),  # type: ignore[dict-item]
    "got float64; use .item()": State(values={"a": np.float64(1)}),
    "got Colour": State(values={"a": Colour.RED}),
    "got tuple": State(values={"a": [{"b": (1, 2)}]}),
    "must have texts as keys, got 1": State(values={"a": {1: 2}}),
    "must be finite, got nan": State(values={"a": [float("nan")]}),
    "must be integers of 64 bits": State(values={"a": 2**64}),
    "must be a numpy.ndarray, got list": State(arrays={"a": [1]}),  # type: ignore[dict-item]
    "or 64 bits, got object": State(arrays={"a": np.array([None])}),
    "or 64 bits, got <U1": State(arrays={"a": np.array(["b"])}),
    "or 64 bits, got complex128": State(arrays={"a": np.zeros(1, complex)}),
    "or 64 bits, got longdouble": State(arrays={"a": np.zeros(1, np.longdouble)}),
    "must be finite, got NaN or infinity": State(arrays={"a": np.array([np.inf])}),
    "got '../a'": State(arrays={"../a": np.zeros(1)}),
    "more than 8 levels deep": nested(9),
}


@pytest.mark.parametrize("reason", BROKEN)
def test_what_cannot_be_saved_is_refused_in_one_line_that_names_the_component(reason: str) -> None:
    with pytest.raises(PluginError) as caught:
        component().state_of(BROKEN[reason])
    text = str(caught.value).replace("float128", "longdouble")
    assert reason in text
    assert "toys/toy (stackkit-toys 1)" in text
    assert "\n" not in text


def test_what_can_be_saved_comes_back_and_context_reaches_the_functions() -> None:
    whole = State(
        values={"a": [None, True, 1, 0.5, "text", {"b": []}]},
        arrays={"c": np.zeros((2, 0), np.float16), "d": np.array(True)},
        parts={"e": nested(7)},
    )
    chosen = component()
    assert chosen.portable
    assert chosen.state_of(whole) is whole
    assert chosen.state_of(1, learner_state=lambda fitted: State(values={"f": fitted})).values == {
        "f": 1
    }
    assert chosen.restored(whole, restore_learner=len) is RESTORED


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (SimpleNamespace(predict=len), "a fitted learner with predict_proba, got SimpleNamespace"),
        (SimpleNamespace(predict_proba=len), "a fitted learner with predict, got SimpleNamespace"),
        (SimpleNamespace(predict=len, predict_proba=len), "classes_ must be integers >= 0 in ascending"),
        (
            SimpleNamespace(predict=len, predict_proba=len, classes_=[1, 1]),
            "ascending order, got [1, 1]",
        ),
        (SimpleNamespace(predict=len, predict_proba=len, classes_=[0, 5]), "classes_ must be below 5"),
    ],
)
def test_what_is_restored_must_be_a_fitted_classifier(
    made: Any, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "RESTORED", made)
    with pytest.raises(PluginError) as caught:
        component().restored(State(), n_classes=5)
    assert reason in str(caught.value)


def test_a_component_without_a_state_says_so() -> None:
    chosen = component(**WITHOUT_NAMES)
    assert not chosen.portable
    for call in (chosen.state_of, chosen.restored):
        with pytest.raises(UsageError, match="toy has no state that can be saved without code"):
            call(State())


def test_both_functions_are_declared_together_and_take_the_options() -> None:
    with pytest.raises(ValueError, match="state and restore must be given together"):
        component(restore="")
    with pytest.raises(ValueError, match=r"restore must be 'package\.module:callable', got 'later'"):
        component(restore="later")
    with pytest.raises(ValueError, match="onnx takes the state of a classifier; give state and restore"):
        component(state="", restore="", onnx="a.b:c")
    with pytest.raises(PluginError, match="the restore of toy does not accept 'seed'"):
        component(restore=f"{__name__}:restore_without_options").restored(State())
