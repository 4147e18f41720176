"""Turn JSON values into frozen dataclasses, and refuse every value of another type than declared."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


def record(kind: type[T], value: object, where: str) -> T:
    """Return a dataclass from a JSON object.

    Parameters
    ----------
    kind : type
        A dataclass whose fields are str, int, float, bool, None, `Any`, literals, dataclasses, tuples
        of one of these, mappings of str to any JSON value, or unions.
    value : object
        What JSON gave. Keys that the dataclass has no field for are ignored: a later version may have
        added them.
    where : str
        Name of the value, for messages.

    Raises
    ------
    ValueError
        If a field is missing or has the wrong type, or the dataclass refuses it.

    """
    if not isinstance(value, dict):
        raise ValueError(f"{where} must be an object, got {type(value).__name__}")
    found, hints = {}, _hints(kind)  # type: ignore[arg-type]
    for field in fields(kind):  # type: ignore[arg-type]
        if field.name in value:
            found[field.name] = _converted(hints[field.name], value[field.name], f"{where}.{field.name}")
        elif field.default is MISSING and field.default_factory is MISSING:
            raise ValueError(f"{where}.{field.name} is missing")
    try:
        return kind(**found)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


@cache
def _hints(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind)  # evaluates the texts of annotations, each time that it is called


def _converted(hint: Any, value: object, where: str) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if is_dataclass(hint):
        return record(hint, value, where)  # type: ignore[arg-type]
    if origin is tuple:
        return _tuple(arguments, value, where)
    if origin in {Union, types.UnionType}:
        if value is None and type(None) in arguments:
            return None
        (only,) = (each for each in arguments if each is not type(None))
        return _converted(only, value, where)
    if origin is Literal:
        if value not in arguments or type(value) not in {type(each) for each in arguments}:
            raise ValueError(
                f"{where} must be one of {', '.join(map(repr, arguments))}, got {value!r:.50}"
            )
        return value
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _typed(dict, value, where)
    if hint is float and type(value) is int:
        return float(value)
    return _typed(hint, value, where)


def _tuple(hints: tuple[Any, ...], value: object, where: str) -> tuple[Any, ...]:
    items = _typed(list, value, where)
    if hints[-1] is ...:
        hints = (hints[0],) * len(items)
    if len(items) != len(hints):
        raise ValueError(f"{where} must have {len(hints)} items, got {len(items)}")
    pairs = enumerate(zip(hints, items, strict=True))
    return tuple(_converted(hint, item, f"{where}[{i}]") for i, (hint, item) in pairs)


def _typed(expected: type, value: object, where: str) -> Any:
    if type(value) is not expected:
        name = "object" if expected is dict else expected.__name__
        raise ValueError(f"{where} must be of type {name}, got {type(value).__name__}")
    return value
