"""Write figures and names as the page shows them."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from stackkit.statistics.intervals import Interval
from stackkit.utils import figures
from stackkit.utils.console import literal

NO_BREAK = "\u00a0"
"""A space at which no line ends."""

NONE = "\N{EN DASH}"
"""What stands for a figure that does not exist."""


def shown(value: object) -> object:
    r"""Return what a template writes for a value: text without characters that a page cannot show.

    Control characters, marks that change the direction of writing and bytes that are no text become
    escapes such as ``\x1b``, as on the console. Markup is left as it is.
    """
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return NO_BREAK.join(map(literal, value.split(NO_BREAK)))


def file_name(image_id: str) -> str:
    """Return the last part of an id such as "robin/0001.jpg": the folder is mostly that of the class."""
    return image_id.rstrip("/").rpartition("/")[2] or image_id


def breakable(name: str) -> Markup:
    """Return a name that a narrow column breaks after punctuation instead of inside a word."""
    parts = re.split(r"(?<=[_\-,:;=/])(?=[^\W_])", str(shown(name)))
    return Markup("<wbr>").join(parts)


def prose(sentence: str) -> str:
    """Return a sentence with minus signs, and no line end between a figure and its percent sign."""
    return re.sub(r"(?<=\d) %", f"{NO_BREAK}%", re.sub(r"(?<= )-(?=\d)", "\N{MINUS SIGN}", sentence))


def percent(share: float | None) -> str:
    """Return a share from 0 to 1 in percent, without the sign."""
    return NONE if share is None else figures.in_percent(share)


def points(share: float | None) -> str:
    """Return a difference of shares in percentage points, with its sign."""
    if share is None:
        return NONE
    return figures.in_points(share).replace("-", "\N{MINUS SIGN}")


def interval(ends: Interval | Sequence[float] | None) -> str:
    """Return both ends in percent."""
    return "" if ends is None else figures.ends(ends)


def points_interval(ends: Interval | Sequence[float] | None) -> str:
    """Return both ends in percentage points."""
    return "" if ends is None else figures.ends(ends, points)


def figure(value: float | None, digits: int = 3) -> str:
    """Return a number with a fixed number of digits."""
    return NONE if value is None else f"{value:.{digits}f}"


def probability(p: float | None) -> str:
    """Return a p-value."""
    return NONE if p is None else figures.p_value(p)


def seconds(value: float | None) -> str:
    """Return a duration with its unit."""
    if value is None:
        return NONE
    if value < 60:
        return f"{value:.1f} s" if 0 < value < 10 else f"{value:.0f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def count(number: int) -> str:
    """Return a number with separators of thousands."""
    return f"{number:,}"


def key(value: float | None) -> str:
    """Return what a script sorts by; a missing figure comes last in either direction."""
    return "" if value is None else f"{value:.6g}"


def image_address(content: bytes) -> str:
    """Return a JPEG file as an address that holds its content."""
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode()}"


def script_data(value: Any) -> Markup:
    """Return JSON that can stand inside a `<script>` element, whatever texts are in it."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    # "<" would allow "</script>" and "<!--"; ensure_ascii has escaped U+2028 and lone surrogates.
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))  # noqa: S704
