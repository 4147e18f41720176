"""What an examination finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from stackkit import __version__
from stackkit.api.errors import one_line

State = Literal["ok", "problem", "blocker"]
"""With a problem something does not work; with a blocker no run works."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line for people and `data` for programs; `remedy` says what to do, if there is something."""

    name: str
    text: str
    state: State
    remedy: str
    data: Mapping[str, Any]


def ok(name: str, text: str, remedy: str = "", **data: Any) -> Finding:
    """Something that works."""
    return Finding(name, text, "ok", remedy, data)


def problem(name: str, text: str, remedy: str, *, state: State = "problem", **data: Any) -> Finding:
    """Something that does not work."""
    return Finding(name, text, state, remedy, data)


Probe = Callable[[], Iterator[Finding]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """All findings by group, in the order in which people should read them."""

    groups: Mapping[str, tuple[Finding, ...]]

    def of_state(self, state: State) -> list[tuple[str, Finding]]:
        """Return group and finding of everything in a state."""
        found = [(group, one) for group, findings in self.groups.items() for one in findings]
        return [(group, one) for group, one in found if one.state == state]

    def document(self) -> dict[str, Any]:
        """Return everything as JSON types, for a bug report."""
        return {
            "stackkit": __version__,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "usable": not self.of_state("blocker"),
            "groups": {group: [asdict(one) for one in found] for group, found in self.groups.items()},
        }


def findings_of(probe: Probe) -> tuple[Finding, ...]:
    """Collect the findings of a probe; an exception ends this probe only, and becomes a finding."""
    found: list[Finding] = []
    try:
        found.extend(probe())
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # probes run code of plugins
        remedy = "report this as a bug of stackkit doctor, with the output of --json"
        found.append(problem("not examined", one_line(error), remedy))
    return tuple(found)
