"""Hints for error messages about options that cannot be parsed, or do not exist."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Mapping

from stackkit.api.option import Option
from stackkit.host.option_syntax import unparse

_OPTION_BEHIND_COLON = re.compile(r":(\w+)=.*")


def comma_hint(name: str, given: Mapping[str, str], declared: Mapping[str, Option], key: str) -> str:
    """Return a hint in case `key=` is part of the text before it, as in "root=a,b=c", or ""."""
    keys = list(given)
    before = keys[keys.index(key) - 1] if keys.index(key) else ""
    if before not in declared or declared[before].value_type is not str or declared[before].choices:
        return ""
    others = {other: text for other, text in given.items() if other != key}
    return comma_rewritten(before, name, {**others, before: f"{given[before]},{key}={given[key]}"})


def comma_rewritten(key: str, name: str, options: Mapping[str, str]) -> str:
    """Return the hint that a comma belongs to the value of an option, with the text to write."""
    return f"; if the comma belongs to {key}=, write {shlex.quote(unparse(name, options))}"


def name_hint(name: str, before: str, given: Mapping[str, str], declared: Mapping[str, Option]) -> str:
    """Return a hint in case an unknown name is part of the last option of the component before it.

    "cub200:root=a,b" is a component `b` to the parser, but the user may mean the folder "a,b", and in
    "resnet50:pooling=avg,max" two values of the option.
    """
    if not given:
        return ""
    key, value = list(given.items())[-1]
    option = declared.get(key)
    if option and option.several and name in option.choices:
        return f"; several values of {key}= are joined by +: {key}={value}+{name}"
    if option and (option.value_type is not str or option.choices):
        return ""
    return comma_rewritten(key, before, {**given, key: f"{value},{name}"})


def colon_hint(given: Mapping[str, str], declared: Mapping[str, Option]) -> str:
    """Return a hint if a value contains another option after a colon, or ""."""
    for text in given.values():
        found = _OPTION_BEHIND_COLON.search(text)
        if found and found[1] in declared:
            return f"; separate options by commas: ...,{found[0][1:]}"
    return ""


def option_hint(key: str, declared: Mapping[str, Option]) -> str:
    """Return which options there are, or one with a similar name."""
    if close := difflib.get_close_matches(key, declared, n=1):
        return f"; did you mean {close[0]}?"
    return f"; available: {', '.join(declared) or 'none'}"
