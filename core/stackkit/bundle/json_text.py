"""JSON as bundles have it: finite numbers, unique keys, bounded depth and size, one form per value."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

MAX_JSON_BYTES = 4 * 2**20
"""Maximum size of one member; Python needs up to 25 times as much memory for it."""
MAX_DEPTH = 50

# Strings first, so that brackets in them are not counted.
_NESTING = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[\]{}]', re.DOTALL)


def to_json(value: Any) -> bytes:
    """Return a JSON text, the same for the same value.

    Raises
    ------
    ValueError
        If it is no JSON value, has numbers that are not finite, or is too large; the text says where.

    """
    _check(value, "", 0)
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1, sort_keys=True)
    data = text.encode() + b"\n"
    if len(data) > MAX_JSON_BYTES:
        raise ValueError(f"it has {len(data):,} bytes as JSON, and {MAX_JSON_BYTES:,} are allowed")
    return data


def from_json(data: bytes) -> Any:
    """Read a JSON text.

    Raises
    ------
    ValueError
        If it is no valid JSON of the kind that `to_json` writes.

    """
    if len(data) > MAX_JSON_BYTES:
        raise ValueError(f"it has {len(data):,} bytes, and at most {MAX_JSON_BYTES:,} are allowed")
    depth = 0
    for bracket in _NESTING.findall(data):
        depth += (bracket in b"[{") - (bracket in b"]}")
        if depth > MAX_DEPTH:
            raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")
    return json.loads(
        data.decode(), object_pairs_hook=_object, parse_constant=_not_finite, parse_float=_finite
    )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has the same key twice")
    return found


def _not_finite(text: str) -> float:
    raise ValueError(f"{text} is no JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if value in {float("inf"), float("-inf")}:
        raise ValueError(f"{text[:30]} is too large for a number")
    return value


def _check(value: Any, where: str, depth: int) -> None:
    """Refuse what `json.dumps` would change without a word, such as tuples and keys that are numbers."""
    if depth > MAX_DEPTH:
        raise ValueError(f"{where[:200]} is nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, Mapping):
        for key, item in value.items():
            if type(key) is not str:
                raise ValueError(f"{where or 'it'} has the key {key!r}; keys must be of type str")
            _check(item, f"{where}.{key}" if where else key, depth + 1)
    elif isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        for index, item in enumerate(value):
            _check(item, f"{where}[{index}]", depth + 1)
    elif type(value) not in (str, int, float, bool, type(None)):
        raise ValueError(
            f"{where or 'it'} is of type {type(value).__name__}; JSON has str, int, float, bool, None, "
            "lists and objects"
        )
