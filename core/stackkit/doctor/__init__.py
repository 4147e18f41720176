"""Look at everything that a run depends on, and say what is broken and what to do about it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from stackkit import __version__
from stackkit.doctor.components import Components
from stackkit.doctor.diagnosis import LIMIT_S
from stackkit.doctor.findings import Finding, Probe, State, fenced
from stackkit.doctor.folders import folders
from stackkit.doctor.machine import machine, variables
from stackkit.doctor.software import requirements, versions_found

__all__ = ["Examination", "Finding", "State", "examine"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """Everything that was found, by group, in the order in which people should read it."""

    groups: Mapping[str, tuple[Finding, ...]]

    def of_state(self, state: State) -> list[tuple[str, Finding]]:
        """Group and finding of all that are in a state."""
        return [
            (group, one) for group, found in self.groups.items() for one in found if one.state == state
        ]

    @property
    def is_usable(self) -> bool:
        """Whether some run can work here."""
        return not self.of_state("blocker")

    def document(self) -> dict[str, Any]:
        """All of it as plain JSON types, for a bug report."""
        return {
            "stackkit": __version__,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "usable": self.is_usable,
            "groups": {group: [asdict(one) for one in found] for group, found in self.groups.items()},
        }


def examine(environ: Mapping[str, str] = os.environ, limit_s: float = LIMIT_S) -> Examination:
    """Look at everything, offline; a library that gives no answer within `limit_s` is broken."""
    components = Components(environ=environ, limit_s=limit_s)
    probes: dict[str, Probe] = {
        "versions": versions_found,
        "requirements": requirements,
        "machine": machine,
        "libraries": components.libraries,
        "folders": folders,
        "plugins": components.plugins,
        "components": components.kinds,
        "variables": partial(variables, environ),
    }
    return Examination(groups={group: fenced(probe) for group, probe in probes.items()})
