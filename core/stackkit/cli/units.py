"""Ages and sizes as people type and read them."""

from __future__ import annotations

import re

from stackkit.api.errors import UsageError

_AGES_S = {"h": 3600, "d": 86_400, "w": 7 * 86_400}
_SIZES = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)")


def parse_age(text: str | None) -> float | None:
    """Seconds in an age such as 12h, 30d or 8w, None for none; raises UsageError otherwise."""
    if text is None:
        return None
    return _parsed(text, _AGES_S, "--older-than", "an age such as 12h, 30d or 8w")


def parse_size(text: str | None) -> int | None:
    """Bytes in a size such as 500MB or 10GB, None for none; raises UsageError otherwise."""
    if text is None:
        return None
    return int(_parsed(text.upper(), _SIZES, "--keep-size", "a size such as 500MB or 10GB"))


def age(seconds: float) -> str:
    """An age in its largest whole unit."""
    for unit, length in reversed(_AGES_S.items()):
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return "< 1 h"


def _parsed(text: str, units: dict[str, int], option: str, wanted: str) -> float:
    match = _AMOUNT.fullmatch(text.strip())
    if not match or match[2] not in units:
        raise UsageError(f"{option} {text!r}: {wanted} is wanted")
    return float(match[1]) * units[match[2]]
