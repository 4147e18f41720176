"""Between a text such as "logistic:C=10,dual=auto" and a component's name with its options."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from stackkit.api.errors import UsageError
from stackkit.api.specs import OptionValue

_COMMA = re.compile(r"(\\*),")
_LAST_BACKSLASHES = re.compile(r"(\\+)\Z")
_OPTION = re.compile(r"\s*\w+=")


def parse(text: str) -> list[tuple[str, dict[str, str]]]:
    """Turn "a:x=1,y=2,b" into [("a", {"x": "1", "y": "2"}), ("b", {})].

    A comma starts a new component unless `key=` follows it.
    """
    parts: list[tuple[str, dict[str, str]]] = []
    for piece in _pieces(text):
        if _OPTION.match(piece):
            if not parts:
                raise UsageError(f"{text!r} starts with an option; write a name first: name:key=value")
            _add_option(text, parts[-1][1], piece)
            continue
        name, colon, option = piece.partition(":")
        if not name.strip():
            raise UsageError(f"{text!r} names an empty component")
        parts.append((name.strip(), {}))
        if colon:
            _add_option(text, parts[-1][1], option)
    return parts


def unparse(name: str, options: Mapping[str, OptionValue]) -> str:
    """The text that `parse` turns into this name and these options."""
    pieces = [f"{key}={_written(value)}" for key, value in options.items()]
    return f"{name}:{_joined(pieces)}" if pieces else name


def _add_option(text: str, options: dict[str, str], piece: str) -> None:
    key, equals, value = piece.partition("=")
    key = key.strip()
    if not equals or not key:
        raise UsageError(f"{text!r}: {piece!r} is not key=value")
    if key in options:
        raise UsageError(f"{text!r} gives {key} twice")
    options[key] = value


def _pieces(text: str) -> list[str]:
    r"""Split at commas; `\,` is a comma inside a piece, and just before a comma `\\` is a backslash.

    Elsewhere a backslash means itself, so that Windows paths can be typed as they are.
    """

    def decode(match: re.Match[str]) -> str:
        count = len(match[1])
        return "\\" * (count // 2) + ("," if count % 2 else "\0")  # no command line can hold NUL

    return _COMMA.sub(decode, text).split("\0")


def _joined(pieces: Sequence[str]) -> str:
    """The text that `_pieces` splits into these pieces."""
    escaped = [_COMMA.sub(r"\1\1\\,", piece) for piece in pieces]
    ended = [_LAST_BACKSLASHES.sub(r"\1\1", piece) for piece in escaped[:-1]]
    return ",".join([*ended, *escaped[-1:]])


def _written(value: OptionValue) -> str:
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)
