"""Read what a state must contain; a state may come from a damaged file."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit.api import State


def array_of(
    state: State, name: str, shape: tuple[int | None, ...], kinds: str = "f"
) -> NDArray[np.floating]:
    """Return an array of a state.

    Parameters
    ----------
    state : State
        Where it is.
    name : str
        Its name.
    shape : tuple of int or None
        The shape it must have; None for any length above 0.
    kinds : str
        Letters of the kinds of dtypes that are allowed: "f" floats of 32 or 64 bits, "i" integers.

    Raises
    ------
    ValueError
        If it is missing, has another shape or dtype, or values that are not finite.

    """
    array = state.arrays.get(name)
    if array is None:
        raise ValueError(f"the array {name} is missing in the state")
    fits = array.ndim == len(shape) and all(
        found > 0 if expected is None else found == expected
        for found, expected in zip(array.shape, shape, strict=True)
    )
    if not fits:
        expected = tuple("any" if each is None else each for each in shape)
        raise ValueError(f"the array {name} must have shape {expected}, got {array.shape}")
    if array.dtype.kind not in kinds or array.dtype.itemsize < 4:
        what = "floats" if kinds == "f" else "integers"
        raise ValueError(f"the array {name} must have {what} of 32 or 64 bits, got {array.dtype}")
    if not np.isfinite(array).all():
        raise ValueError(f"the array {name} must be finite, got NaN or infinity")
    return array


def classes_of(state: State, *, at_least: int = 1) -> NDArray[np.int64]:
    """Return the array `classes`: labels >= 0 in ascending order; raises ValueError otherwise."""
    classes = array_of(state, "classes", (None,), "i").astype(np.int64)
    if classes[0] < 0 or (np.diff(classes) <= 0).any():
        raise ValueError(f"classes must be labels >= 0 in ascending order, got {classes!s:.80}")
    if len(classes) < at_least:
        raise ValueError(f"there must be at least {at_least} classes, got {len(classes)}")
    return classes


def number_of(state: State, name: str) -> float:
    """Return a finite number out of the values; raises ValueError otherwise."""
    value: Any = state.values.get(name)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not math.isfinite(value):
        raise ValueError(f"the value {name} must be a finite number, got {value!r:.80}")
    return float(value)
