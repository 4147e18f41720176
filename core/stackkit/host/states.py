"""Check the state that a plugin gives for a fitted classifier, before anything is saved."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from stackkit.api.specs import Kind
from stackkit.api.state import State

MAX_DEPTH = 8
"""Maximum depth of parts within parts."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_SIZES = {"b": (1,), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "f": (2, 4, 8)}
_MAX_INTEGER = 2**63


def check_state(state: object, where: str = "the state", depth: int = 0) -> State:
    """Return `state` if it can be saved bit for bit as JSON and arrays.

    Parameters
    ----------
    state : object
        What the function of a plugin returned.
    where : str
        What it is, for messages.
    depth : int
        Number of states that it is a part of.

    Raises
    ------
    TypeError
        If something in it has a type that cannot be saved.
    ValueError
        If a number is not finite, a name is invalid, or parts are nested too deeply.

    """
    if not isinstance(state, State):
        raise TypeError(f"{where} must be a stackkit.api.State, got {type(state).__name__}")
    if depth > MAX_DEPTH:
        raise ValueError(f"{where} has parts more than {MAX_DEPTH} levels deep")
    for role in ("values", "arrays", "parts"):
        mapping = getattr(state, role)
        if not isinstance(mapping, Mapping):
            raise TypeError(f"{role} of {where} must be a dict, got {type(mapping).__name__}")
        for name in mapping:
            if not isinstance(name, str) or (role != "values" and not _NAME.fullmatch(name)):
                raise ValueError(
                    f"{role} of {where} must have names of up to 100 letters, digits and '_.-', "
                    f"got {name!r}"
                )
    _check_json(dict(state.values), f"values of {where}", 0)
    for name, array in state.arrays.items():
        _check_array(array, f"the array {name!r} of {where}")
    for name, part in state.parts.items():
        check_state(part, f"the part {name!r} of {where}", depth + 1)
    return state


def _check_json(value: Any, where: str, depth: int) -> None:
    # Exact types: a NumPy number or an enumeration would come back as something else.
    if depth > 4 * MAX_DEPTH:
        raise ValueError(f"{where} are nested more than {4 * MAX_DEPTH} levels deep")
    if type(value) is dict:
        for key, each in value.items():
            if type(key) is not str:
                raise TypeError(f"{where} must have texts as keys, got {key!r}")
            _check_json(each, where, depth + 1)
    elif type(value) is list:
        for each in value:
            _check_json(each, where, depth + 1)
    elif type(value) is float:
        if not math.isfinite(value):
            raise ValueError(f"{where} must be finite, got {value}")
    elif type(value) is int:
        if not -_MAX_INTEGER <= value < _MAX_INTEGER:
            raise ValueError(f"{where} must be integers of 64 bits, got {value}")
    elif type(value) not in (str, bool, type(None)):
        raise TypeError(
            f"{where} must be None, bool, int, float, str, list or dict, got {type(value).__name__}; "
            "use .item() or .tolist() of NumPy's numbers and arrays, and a list instead of a tuple"
        )


def _check_array(array: Any, where: str) -> None:
    import numpy as np  # listing plugins stays without it

    if type(array) is not np.ndarray:
        raise TypeError(f"{where} must be a numpy.ndarray, got {type(array).__name__}")
    if array.dtype.itemsize not in _SIZES.get(array.dtype.kind, ()):
        raise TypeError(
            f"{where} must have bool, integers, or floats of 16, 32 or 64 bits, got {array.dtype}"
        )
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"{where} must be finite, got NaN or infinity")


def check_restored(
    fitted: object, kind: Kind, *, probabilities: bool, n_classes: int | None = None
) -> None:
    """Raise if what a plugin restored is no fitted classifier.

    Parameters
    ----------
    fitted : object
        What the function of a plugin returned.
    kind : {"learner", "aggregator"}
        What it should be.
    probabilities : bool
        Whether it is a learner that must have `predict_proba` and `classes_`.
    n_classes : int or None
        Number of classes of the model; labels are below it.

    Raises
    ------
    TypeError
        If a method is missing.
    ValueError
        If `classes_` are not ascending labels.

    """
    for method in ("predict", "predict_proba") if probabilities else ("predict",):
        if not callable(getattr(fitted, method, None)):
            got = type(fitted).__name__
            raise TypeError(f"restore must return a fitted {kind} with {method}, got {got}")
    if probabilities or hasattr(fitted, "classes_"):
        _check_classes(getattr(fitted, "classes_", None), n_classes)


def _check_classes(classes: object, n_classes: int | None) -> None:
    import numpy as np

    found = np.asarray(classes)
    whole = found.ndim == 1 and found.dtype.kind in "iu" and len(found) > 0
    if not whole or found[0] < 0 or bool((found[1:] <= found[:-1]).any()):
        raise ValueError(f"classes_ must be integers >= 0 in ascending order, got {classes!r:.80}")
    if n_classes is not None and found[-1] >= n_classes:
        raise ValueError(f"classes_ must be below {n_classes}, the number of classes, got {found[-1]}")
