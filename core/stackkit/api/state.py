"""The state of a fitted classifier as JSON values and arrays, so that it is saved without any code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The state of a fitted learner or aggregator.

    Attributes
    ----------
    values : mapping of str to JSON value
        Numbers, texts, lists and objects; numbers are finite.
    arrays : mapping of str to ndarray
        Arrays of bool, integers or floats, in any shape. They are saved bit for bit.
    parts : mapping of str to State
        The states of fitted classifiers inside this one, such as the learner inside `concat`.

    Notes
    -----
    The spec of a component names the two functions that take a fitted classifier apart and put it
    together again, `LearnerSpec.state` and `LearnerSpec.restore`. Only values and arrays are saved, and
    the code comes from the installed plugin, so that opening a file can never run what is in it.

    """

    values: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    parts: Mapping[str, State] = field(default_factory=dict)
