"""Write shares, differences and p-values the same way everywhere: one decimal, and never "-0.0"."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def in_percent(share: float) -> str:
    """Return a share, or a difference of shares, in percent without the sign, such as "91.5"."""
    # Adding 0.0 turns -0.0, which tiny negative differences round to, into 0.0.
    return f"{round(100 * share, 1) + 0.0:.1f}"


def percent(share: float) -> str:
    """Return a share in percent, such as "91.5 %"."""
    return f"{in_percent(share)} %"


def in_points(difference: float) -> str:
    """Return a difference of shares in percentage points with its sign, such as "+0.7"."""
    return f"{round(100 * difference, 1) + 0.0:+.1f}"


def ends(interval: Sequence[float], shown: Callable[[float], str] = in_percent) -> str:
    """Return both ends of an interval, such as "89.5 to 92.8"."""
    return " to ".join(map(shown, interval))


def bracketed(interval: Sequence[float], shown: Callable[[float], str] = in_percent) -> str:
    """Return both ends of an interval for a cell of a table, such as "[89.5, 92.8]"."""
    return f"[{', '.join(map(shown, interval))}]"


def p_value(p: float) -> str:
    """Return a p-value; those below 0.001 as a bound."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
