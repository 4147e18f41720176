"""JSON as bundles have it: finite numbers, unique keys, bounded depth and size, one form per value."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

MAX_JSON_BYTES = 4 * 2**20
"""Maximum size of one member; Python needs up to 25 times as much memory for it."""
MAX_DEPTH = 50
MAX_INTEGER = 2**64


def to_json(value: Any) -> bytes:
    """Return a JSON text, the same for the same value.

    Raises
    ------
    ValueError
        If it is no JSON value, has numbers that are not finite, or is too large; the text says where.

    """
    _check(value)
    text = json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True)
    data = text.encode() + b"\n"
    _check_size(data)
    return data


def from_json(data: bytes) -> Any:
    """Read a JSON text.

    Raises
    ------
    ValueError
        If it is no valid JSON of the kind that `to_json` writes.

    """
    _check_size(data)
    try:
        value = json.loads(data.decode(), object_pairs_hook=_object)
    except RecursionError as error:
        raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep") from error
    _check(value)
    return value


def _check_size(data: bytes) -> None:
    if len(data) > MAX_JSON_BYTES:
        raise ValueError(f"it has {len(data):,} bytes of JSON, and {MAX_JSON_BYTES:,} are allowed")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has the same key twice")
    return found


def _check(value: Any, depth: int = 0) -> None:
    """Refuse what `json` would change or accept without a word: tuples as keys, NaN, half characters."""
    if depth > MAX_DEPTH:
        raise ValueError(f"a value is nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, dict | Mapping):  # dict first, as asking for a Mapping is slow
        for key, item in value.items():
            if type(key) is not str:
                raise ValueError(f"the key {key!r:.50} is of type {type(key).__name__}, not str")
            _check_text(key)
            try:
                _check(item, depth + 1)
            except ValueError as error:
                raise ValueError(f"{key:.50}: {error}") from None
    elif isinstance(value, list | tuple):
        for item in value:
            _check(item, depth + 1)
    else:
        _check_scalar(value)


def _check_scalar(value: Any) -> None:
    if type(value) is str:
        _check_text(value)
    elif type(value) is float:
        if not math.isfinite(value):
            raise ValueError(f"a number is {value}; numbers must be finite")
    elif type(value) is int:
        if abs(value) > MAX_INTEGER:
            raise ValueError("an integer has more than 64 bits")
    elif value is not None and type(value) is not bool:
        raise ValueError(
            f"a value is of type {type(value).__name__}; allowed are str, int, float, bool, None, "
            "lists and objects"
        )


def _check_text(text: str) -> None:
    # File names that are not valid UTF-8 have such characters in Python, and no output could show them.
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError(f"{text!r:.100} has characters that are not valid Unicode; rename it")
