"""Refuse values of the wrong type in the fields of specs and options."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, TypeAlias

_Types: TypeAlias = type | tuple[type, ...]


class Named(Protocol):
    """A spec or an option."""

    @property
    def name(self) -> str:
        """Its name, for messages."""


def check_types(record: Named, fields: Iterable[str], types: _Types) -> None:
    """Raise TypeError if one of the fields has none of the types."""
    # Listings format these fields without looking at them, so a wrong type is refused here.
    for name in fields:
        actual = type(getattr(record, name))
        if not issubclass(actual, types):
            raise TypeError(f"{record.name}: {name} must be {_names(types)}, got {actual.__name__}")


def check_items(record: Named, name: str, types: _Types) -> None:
    """Raise TypeError if a field is not a tuple of values of the types."""
    items = getattr(record, name)
    if isinstance(items, tuple) and all(isinstance(item, types) for item in items):
        return
    hint = ""
    if isinstance(items, types):  # ("torch") is a text: the comma makes the tuple
        own = getattr(items, "name", "")
        shown = f"{type(items).__name__}(name={own!r}, ...)" if own else repr(items)
        hint = f"; write ({shown},) with a comma"
    actual = type(items).__name__
    if isinstance(items, tuple):
        wrong = next(item for item in items if not isinstance(item, types))
        actual = f"a tuple with {type(wrong).__name__}"
    raise TypeError(f"{record.name}: {name} must be a tuple of {_names(types)}, got {actual}{hint}")


def _names(types: _Types) -> str:
    return types.__name__ if isinstance(types, type) else "str, int, float, bool or None"
