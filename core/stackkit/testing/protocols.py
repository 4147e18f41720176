"""Whether an object has every member of its kind's protocol, and of which type."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, SupportsIndex

from stackkit.api.errors import one_line
from stackkit.testing.check import require

REMEDY = "set it in the class or in __init__; stackkit.api.types says of which type each member is"


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An attribute or a method; `wanted` says in words what `fits` looks for."""

    name: str
    wanted: str
    fits: Callable[[Any], bool]


def require_members(made: object, members: Sequence[Member]) -> None:
    """Name every member that is absent or of another type."""
    faults = [fault for member in members if (fault := _fault(made, member))]
    require(not faults, "; ".join(faults))


def _fault(made: object, member: Member) -> str:
    try:
        value = getattr(made, member.name)
    except AttributeError as error:
        if error.name == member.name and error.obj is made:
            return f"it has no {member.name}: {member.wanted} is wanted"
        return f"reading {member.name} raises {one_line(error)}"
    except Exception as error:
        return f"reading {member.name} raises {one_line(error)}"
    if member.fits(value):
        return ""
    return f"{member.name} is {_brief(value)}: {member.wanted} is wanted"


def _brief(value: object) -> str:
    """A simple value as it is, of any other its type."""
    if value is None or isinstance(value, bool | int | float | str):
        return repr(value)
    return f"of type {type(value).__name__}"


def method(name: str) -> Member:
    """A method."""
    return Member(name=name, wanted="a method", fits=callable)


def anything(name: str, wanted: str) -> Member:
    """An attribute that a promise of its own looks at."""
    return Member(name=name, wanted=wanted, fits=lambda value: True)


def sequence(name: str, wanted: str) -> Member:
    """A list, a tuple or whatever else has a length and places."""
    return Member(name=name, wanted=wanted, fits=_is_sequence)


def _is_sequence(value: object) -> bool:
    return not isinstance(value, str | bytes | dict) and all(
        hasattr(value, each) for each in ("__len__", "__getitem__")
    )


def positive(name: str) -> Member:
    """A whole number above 0."""
    return Member(name=name, wanted="a whole number above 0", fits=_is_positive)


def _is_positive(value: object) -> bool:
    return isinstance(value, SupportsIndex) and value.__index__() > 0


def instance(name: str, wanted: str, kind: type) -> Member:
    """An attribute of one type."""
    return Member(name=name, wanted=wanted, fits=lambda value: isinstance(value, kind))
