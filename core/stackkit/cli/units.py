"""Parse and format ages and sizes, such as 30d and 10GB."""

from __future__ import annotations

import re

from stackkit.api.errors import UsageError

_AGES_S = {"h": 3600, "d": 86_400, "w": 7 * 86_400}
_DURATIONS_S = {"s": 1, "m": 60, "h": 3600}
_SIZES = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]+)")


def parse_age(text: str | None) -> float | None:
    """Return the seconds of an age such as 12h, 30d or 8w; raises UsageError for other text."""
    if text is None:
        return None
    return _parsed(text, _AGES_S, "--older-than", "an age such as 12h, 30d or 8w")


def parse_duration(text: str) -> float:
    """Return the seconds of a duration such as 90s, 10m or 1h; raises UsageError for other text."""
    seconds = _parsed(text, _DURATIONS_S, "--budget", "a duration such as 90s, 10m or 1h")
    if not seconds:
        raise UsageError(f"--budget must be longer than 0, got {text!r}")
    return seconds


def parse_size(text: str | None) -> int | None:
    """Return the bytes of a size such as 500MB or 10GB; raises UsageError for other text."""
    if text is None:
        return None
    return int(_parsed(text, _SIZES, "--keep-size", "a size such as 500MB or 10GB"))


def age(seconds: float) -> str:
    """Format an age in its largest whole unit, such as "5 w"."""
    for unit, length in reversed(_AGES_S.items()):
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return "< 1 h"


def _parsed(text: str, units: dict[str, int], option: str, expected: str) -> float:
    match = _AMOUNT.fullmatch(text.strip())
    unit = match[2] if match else ""
    factor = units.get(unit) or units.get(unit.upper())
    if not match or factor is None:
        raise UsageError(f"{option} must be {expected}, got {text!r}")
    return float(match[1]) * factor
