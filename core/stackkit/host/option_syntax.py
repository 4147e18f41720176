"""Parse text such as "logistic:C=10,dual=auto" into names and options, and format it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from stackkit.api.errors import UsageError
from stackkit.api.option import OptionValue

_COMMA = re.compile(r"(\\*),")
_LAST_BACKSLASHES = re.compile(r"(\\+)\Z")
_OPTION = re.compile(r"\s*\w+=")


def parse(text: str) -> list[tuple[str, dict[str, str]]]:
    """Turn "a:x=1,y=2,b" into [("a", {"x": "1", "y": "2"}), ("b", {})].

    A comma starts a new component unless `key=` follows it. Raises UsageError.
    """
    parts: list[tuple[str, dict[str, str]]] = []
    for piece in _pieces(text):
        if _OPTION.match(piece):
            if not parts:
                raise UsageError(f"{text!r} starts with an option; write name:key=value")
            _add_option(text, parts[-1][1], piece)
            continue
        name, colon, option = piece.partition(":")
        if not name.strip():
            raise UsageError(f"{text!r} contains an empty component name; write name:key=value")
        parts.append((name.strip(), {}))
        if colon:
            _add_option(text, parts[-1][1], option)
    return parts


def unparse(name: str, options: Mapping[str, OptionValue]) -> str:
    """Return the text that `parse` turns into this name and these options."""
    pieces = [f"{key}={_formatted(value)}" for key, value in options.items()]
    return f"{name}:{_joined(pieces)}" if pieces else name


def _add_option(text: str, options: dict[str, str], piece: str) -> None:
    key, equals, value = piece.partition("=")
    key = key.strip()
    if not equals or not key:
        raise UsageError(f"{text!r}: expected key=value, got {piece!r}")
    if key in options:
        raise UsageError(f"{text!r} sets {key} twice; write \\, for a comma inside a value")
    options[key] = value


def _pieces(text: str) -> list[str]:
    r"""Split at commas; `\,` is a comma inside a piece, and `\\` just before a comma is a backslash.

    Elsewhere a backslash means itself, so Windows paths need no escaping.
    """

    def decode(match: re.Match[str]) -> str:
        count = len(match[1])
        # NUL marks where to split: command-line arguments cannot contain it.
        return "\\" * (count // 2) + ("," if count % 2 else "\0")

    return _COMMA.sub(decode, text).split("\0")


def _joined(pieces: Sequence[str]) -> str:
    """Return the text that `_pieces` splits into these pieces."""
    escaped = [_COMMA.sub(r"\1\1\\,", piece) for piece in pieces]
    # Backslashes at the end of a piece stand before the comma that joins it to the next.
    ended = [_LAST_BACKSLASHES.sub(r"\1\1", piece) for piece in escaped[:-1]]
    return ",".join([*ended, *escaped[-1:]])


def _formatted(value: OptionValue) -> str:
    if isinstance(value, tuple):
        return "+".join(value) or "none"
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)
