"""What looking at a part of the installation gives, however broken the part is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from stackkit.api.errors import one_line

State = Literal["ok", "problem", "blocker"]
"""A problem costs something that works otherwise; a blocker stops every run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at: a line for people, `data` for programs.

    `remedy` says what to do about it; what is merely absent has one too.
    """

    name: str
    text: str
    state: State = "ok"
    remedy: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


Probe = Callable[[], Iterator[Finding]]


def fenced(probe: Probe) -> tuple[Finding, ...]:
    """All that a probe finds; what it raises ends the probe, becomes a finding, and costs no other."""
    found: list[Finding] = []
    try:
        found.extend(probe())
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # plugins' code is among what is looked at
        found.append(
            Finding(
                name="not examined",
                text=one_line(error),
                state="problem",
                remedy="report this as a bug of stackkit doctor, with the output of --json",
            )
        )
    return tuple(found)
