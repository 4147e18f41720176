"""Checks of what learners and aggregators share: their state can be saved, and restores them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from stackkit.api.errors import StackkitError
from stackkit.api.option import Option, OptionValue
from stackkit.api.state import State
from stackkit.testing.check import CheckList, require, skip
from stackkit.testing.transport import transported
from stackkit.testing.under_test import ComponentUnderTest

METHODS = ("predict", "predict_proba", "decision_function")
MAX_VARIATIONS = 4

STATE_REMEDY = (
    "return State(values={...}, arrays={...}) with Python's own numbers, texts, lists and dicts in "
    "values, and NumPy arrays of numbers in arrays"
)
ANSWERS_REMEDY = (
    "put everything that predict uses into the state or take it from the options, in the same dtype, "
    "and the arrays of matrix products in the same memory layout"
)
DAMAGE_REMEDY = "raise ValueError in restore if an array is missing or does not fit the others"

Answers = dict[str, NDArray[Any]]


def add_state_checks(
    checks: CheckList,
    fit: Callable[..., Any],
    inputs: Callable[[Any], Any],
    context: Callable[[Any], Mapping[str, Mapping[str, Any]]] = lambda component: {},
    after: tuple[str, ...] = (),
) -> None:
    """Add the checks of `state` and `restore`.

    Parameters
    ----------
    checks : CheckList
        Where to add them.
    fit : callable
        Takes the component under test, a number that draws the rows, and changed options; returns a
        fitted classifier.
    inputs : callable
        Takes the component under test; returns what its classifier predicts from.
    context : callable
        Takes the component under test; returns {"state": keywords, "restore": keywords}.
    after : tuple of str
        Names of the checks that these build on.

    """

    def state_of(component: ComponentUnderTest, fitted: Any, **changed: OptionValue) -> State:
        configured = component.configured(**changed)
        if not configured.portable:
            skip("its spec names no state")
        return configured.state_of(fitted, **context(component).get("state", {}))

    def restored(component: ComponentUnderTest, state: State, **changed: OptionValue) -> Any:
        return component.configured(**changed).restored(state, **context(component).get("restore", {}))

    @checks.add("saved-state", STATE_REMEDY, after=after)
    def saved_state(component: ComponentUnderTest) -> None:
        """Its state, if its spec names one, consists of JSON values and arrays of finite numbers."""
        state_of(component, fit(component, 0))

    @checks.add("restored-answers", ANSWERS_REMEDY, after=("saved-state",))
    def restored_answers(component: ComponentUnderTest) -> None:
        """Restored from its state, it predicts bit for bit the same, with any of its options."""
        unchanged: dict[str, OptionValue] = {}
        for changed, fitted in chain([(unchanged, fit(component, 0))], variations(component, fit)):
            state = transported(state_of(component, fitted, **changed))
            if not changed:
                # What a module remembers is now that of another fit, as in another process.
                state_of(component, fit(component, 1))
            before = answers(fitted, inputs(component))
            after = answers(restored(component, state, **changed), inputs(component))
            shown = f" with {changed}" if changed else ""
            for method, values in before.items():
                found = f"its {method} differs after it was restored{shown}"
                require(method in after, f"{method} is missing after it was restored{shown}")
                require(_same(values, after[method]), found)

    @checks.add("damaged-state", DAMAGE_REMEDY, after=("restored-answers",))
    def damaged_state(component: ComponentUnderTest) -> None:
        """A state without one of its arrays is refused, and not completed by a default."""
        state = transported(state_of(component, fit(component, 0)))
        for name in state.arrays:
            rest = {key: array for key, array in state.arrays.items() if key != name}
            try:
                restored(component, replace(state, arrays=rest))
            except StackkitError:
                continue
            require(False, f"a state without the array {name!r} is restored all the same")


def answers(fitted: Any, inputs: Any) -> Answers:
    """Return what each method of a fitted classifier returns, and its `classes_`."""
    found = {
        each: np.asarray(getattr(fitted, each)(inputs)) for each in METHODS if hasattr(fitted, each)
    }
    if hasattr(fitted, "classes_"):
        found["classes_"] = np.asarray(fitted.classes_)
    return found


def _same(before: NDArray[Any], after: NDArray[Any]) -> bool:
    return before.dtype == after.dtype and np.array_equal(before, after)


def variations(
    component: ComponentUnderTest, fit: Callable[..., Any]
) -> Iterator[tuple[dict[str, OptionValue], Any]]:
    """Yield other values of single options, and the component fitted with them, where it can be."""
    tried = 0
    for option in component.component.spec.options:
        if tried == MAX_VARIATIONS:
            return
        value = _other(option, component.configured().options[option.name])
        if value is None:
            continue
        tried += 1
        try:
            fitted = fit(component, 0, **{option.name: value})
        except Exception:  # noqa: S112 - it need not work with every value
            continue
        yield {option.name: value}, fitted


def _other(option: Option, value: OptionValue) -> OptionValue:
    """Return another value of an option, or None if none is known."""
    if isinstance(value, bool):
        return not value
    others = [each for each in option.choices or () if each != value]
    if others:
        return others[0]
    if not isinstance(value, int | float):
        return None
    larger = value * 2 or 1
    return None if option.maximum is not None and larger > option.maximum else larger


def logistic_state(learner: LogisticRegression) -> State:
    """Return the state of the kit's own learner, for aggregators that fit one."""
    names = ("classes_", "coef_", "intercept_")
    return State(arrays={name: np.asarray(getattr(learner, name)) for name in names})


def restore_logistic(state: State) -> LogisticRegression:
    """Return the kit's own learner from its state."""
    made = LogisticRegression()
    vars(made).update(state.arrays)
    made.coef_ = np.asfortranarray(made.coef_)
    return made
