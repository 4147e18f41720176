"""Find plugins that take the whole process down, which only a process of its own survives."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stackkit.doctor.diagnosis import Diagnosis, diagnose
from stackkit.host.discovery import Candidate, candidates
from stackkit.host.host import load_host

HERE = "stackkit.doctor.deadly:loaded"


def loaded() -> Mapping[str, int]:
    """What is called in that process."""
    return {"plugins": len(load_host().plugins)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadly:
    """A plugin that nothing else may load, and what became of the process that did."""

    plugin: Candidate
    end: str


def deadly(environ: Mapping[str, str], limit_s: float) -> list[Deadly]:
    """All such plugins: everyone is tried together, and one by one only if that goes wrong."""
    strangers = [one for one in candidates(None, environ)[0] if not one.is_own]
    if not strangers or not _tried(environ, limit_s).error:
        return []
    tried = [(one, _tried(only(environ, [one]), limit_s)) for one in strangers]
    return [Deadly(plugin=one, end=found.error) for one, found in tried if found.error]


def only(environ: Mapping[str, str], strangers: Sequence[Candidate]) -> dict[str, str]:
    """The variables that let in these strangers and no others."""
    chosen = {name: value for name, value in environ.items() if name != "STACKKIT_PLUGINS_DIR"}
    files = [one.distribution for one in strangers if one.is_file]
    names = [one.name for one in strangers if not one.is_file]
    return chosen | {
        "STACKKIT_PLUGINS": ",".join(names),
        "STACKKIT_PLUGIN_FILES": os.pathsep.join(files),
    }


def without(environ: Mapping[str, str], found: Sequence[Deadly]) -> Mapping[str, str]:
    """The variables that let in everyone else."""
    if not found:
        return environ
    out = [each.plugin for each in found]
    return only(environ, [one for one in candidates(None, environ)[0] if one not in out])


def _tried(environ: Mapping[str, str], limit_s: float) -> Diagnosis:
    return diagnose([HERE], limit_s, environ)[HERE]
