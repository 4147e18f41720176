"""Examine everything that a run depends on, and report what is broken and what to do about it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial

from stackkit.doctor.finding import Examination, Finding, Probe, State, findings_of
from stackkit.doctor.installation import requirements, versions_found
from stackkit.doctor.isolation import LIMIT_S
from stackkit.doctor.machine import folders, machine, variables
from stackkit.doctor.plugins import Plugins

__all__ = ["Examination", "Finding", "State", "examine"]


def examine(environ: Mapping[str, str] = os.environ, limit_s: float = LIMIT_S) -> Examination:
    """Examine this installation, offline; a library that needs longer than `limit_s` is broken."""
    plugins = Plugins(environ=environ, limit_s=limit_s)
    probes: dict[str, Probe] = {
        "versions": versions_found,
        "requirements": requirements,
        "machine": machine,
        "libraries": plugins.libraries,
        "folders": folders,
        "plugins": plugins.plugins,
        "components": plugins.components,
        "variables": partial(variables, environ),
    }
    return Examination(groups={group: findings_of(probe) for group, probe in probes.items()})
