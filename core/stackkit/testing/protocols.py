"""Check that an object has every member of its kind's protocol, each of the right type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, SupportsIndex, TypeAlias

from stackkit.api.errors import one_line
from stackkit.testing.check import require

REMEDY = "set it in the class or in __init__; stackkit.api.types documents the type of each member"

Expected: TypeAlias = tuple[str, Callable[[Any], bool]]
"""What a member must be, in words and as a test of its value."""


def _is_sequence(value: object) -> bool:
    return not isinstance(value, str | bytes | dict) and all(
        hasattr(value, each) for each in ("__len__", "__getitem__")
    )


METHOD: Expected = ("a method", callable)
SEQUENCE: Expected = ("a sequence", _is_sequence)
TEXT: Expected = ("text", lambda value: isinstance(value, str))
BOOLEAN: Expected = ("True or False", lambda value: isinstance(value, bool))
POSITIVE: Expected = (
    "an integer above 0",
    lambda value: isinstance(value, SupportsIndex) and value.__index__() > 0,
)


def require_members(made: object, members: Mapping[str, Expected]) -> None:
    """Fail with all members that are missing or of the wrong type."""
    faults = [fault for name, expected in members.items() if (fault := _fault(made, name, *expected))]
    require(not faults, "; ".join(faults))


def _fault(made: object, name: str, words: str, fits: Callable[[Any], bool]) -> str:
    try:
        value = getattr(made, name)
    except AttributeError as error:
        if error.name == name and error.obj is made:
            return f"{name} is missing, expected {words}"
        return f"reading {name} raises {one_line(error)}"  # a property that fails inside
    except Exception as error:
        return f"reading {name} raises {one_line(error)}"
    if fits(value):
        return ""
    plain = value is None or isinstance(value, bool | int | float | str)
    return f"{name} must be {words}, got {repr(value) if plain else type(value).__name__}"
