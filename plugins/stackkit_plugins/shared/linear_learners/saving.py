"""The state of linear learners: coefficients and what `normalise` learned; and back.

A state may come from a damaged file, so everything is checked before it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit.api import State
from stackkit_plugins.shared.checked_states import array_of, classes_of, number_of
from stackkit_plugins.shared.linear_learners.fitted import (
    STEPS,
    Array,
    FittedLinear,
    FittedProbabilities,
    Step,
    parameters,
    softmax_link,
    standardise,
)

Link = Callable[[Array], Array]


def linear_state(
    fitted: Any,
    *,
    coefficients: NDArray[np.floating],
    intercepts: NDArray[np.floating] | None,
    classes: NDArray[np.integer],
    factor: float | None = None,
) -> State:
    """Return the state of a linear learner.

    Parameters
    ----------
    fitted : estimator
        The learner with its normalisation: a pipeline, or the estimator itself.
    coefficients : ndarray of shape (n_classes, d) or (1, d)
        Their memory layout is kept, since matrix products round differently in others.
    intercepts : ndarray of shape (n_classes,) or (1,), or None
        None if there are none.
    classes : ndarray of shape (n_classes,)
        Labels, ascending.
    factor : float or None
        What scores are multiplied by before the softmax.

    """
    arrays = {
        "classes": np.asarray(classes, dtype=np.int64),
        "coefficients": np.ascontiguousarray(coefficients),
    }
    if intercepts is not None:
        arrays["intercepts"] = np.atleast_1d(np.asarray(intercepts))
    for _, step in getattr(fitted, "steps", ()):
        if hasattr(step, "mean_"):  # a StandardScaler
            arrays |= {"mean": np.asarray(step.mean_), "scale": np.asarray(step.scale_)}
    by_columns = coefficients.strides[0] < coefficients.strides[1] and len(coefficients) > 1
    values: dict[str, Any] = {"by_columns": bool(by_columns)}
    if factor is not None:
        values["factor"] = float(factor)
    return State(values=values, arrays=arrays)


def softmax_state(fitted: Any) -> State:
    """Return the state of a `SoftmaxClassifier` with coefficients, behind its normalisation."""
    last = parameters(fitted)
    return linear_state(
        fitted,
        coefficients=last.coef_,
        intercepts=last.intercept_,
        classes=last.classes_,
        factor=last.factor_,
    )


def restored_softmax(
    state: State, *, normalise: str, last: tuple[Step, ...] = (), **kwargs: Any
) -> FittedProbabilities:
    """Return a fitted classifier with probabilities softmax(factor * scores); see `restored_linear`."""
    link = softmax_link(positive_factor(state))
    made = restored_linear(state, normalise=normalise, last=last, link=link, **kwargs)
    assert isinstance(made, FittedProbabilities)
    return made


def positive_factor(state: State) -> float:
    """Return the factor of a state; raises ValueError unless it is above 0."""
    if not (factor := number_of(state, "factor")) > 0:
        raise ValueError(f"factor must be above 0, got {factor}")
    return factor


def restored_linear(
    state: State,
    *,
    normalise: str,
    link: Link | None,
    last: tuple[Step, ...] = (),
    with_intercepts: bool = True,
    one_row_for_two: bool = False,
    one_by_one: bool = False,
) -> FittedLinear:
    """Return a fitted linear classifier.

    Parameters
    ----------
    state : State
        What `linear_state` returned.
    normalise : {"none", "standardise", "l2", "power"}
        The option of the learner.
    link : callable or None
        Turns scores into probabilities; None for a classifier without probabilities.
    last : tuple of callable
        Further steps between normalisation and coefficients.
    with_intercepts : bool
        Whether there are intercepts.
    one_row_for_two : bool
        Whether two classes have a single row of coefficients, as in scikit-learn.
    one_by_one : bool
        See `FittedLinear`.

    Raises
    ------
    ValueError
        If arrays are missing, or do not fit each other.

    """
    classes = classes_of(state, at_least=2)
    rows = 1 if one_row_for_two and len(classes) == 2 else len(classes)
    coefficients = array_of(state, "coefficients", (rows, None), "f")
    d = coefficients.shape[1]
    if state.values.get("by_columns"):
        coefficients = np.asfortranarray(coefficients)
    steps = STEPS.get(normalise, ())
    if normalise == "standardise":
        mean, scale = (array_of(state, name, (d,), "f") for name in ("mean", "scale"))
        if not (scale > 0).all():
            raise ValueError(f"scale must be above 0, got {scale.min()}")
        steps = (standardise(mean, scale),)
    known: dict[str, Any] = {
        "classes_": classes,
        "coefficients": coefficients,
        "intercepts": array_of(state, "intercepts", (rows,), "f") if with_intercepts else None,
        "steps": (*steps, *last),
        "one_by_one": one_by_one and rows > 1,
    }
    return FittedLinear(**known) if link is None else FittedProbabilities(**known, link=link)
