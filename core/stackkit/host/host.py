"""Find the plugins, ask each one alone, and survive the broken ones."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from typing import Literal

from stackkit.api.errors import PluginError
from stackkit.api.specs import ComponentSpec
from stackkit.host.component import Component
from stackkit.host.discovery import Candidate, candidates, check_loadable
from stackkit.host.guard import PUT_BACK
from stackkit.host.load_failure import LoadFailure, PluginLoadError, PluginWarning, Stage
from stackkit.host.loader import PluginLoader
from stackkit.host.timeout import plugin_seconds

SLOW_MS = 200.0
"""An import that takes longer is felt by everybody who lists plugins."""

_ONE_AT_A_TIME = threading.RLock()  # what guards watch belongs to all threads


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginRecord:
    """One plugin and what became of it; `stage` and `error` are empty if it works.

    `failure` classifies the error of one that does not, for code that chooses a remedy.

    One in a single file (`is_file`) has its path for a distribution.

    `import_ms` and the heavy modules that its import brought in are of this process, in which
    another plugin may have imported the same before.
    """

    name: str
    distribution: str
    version: str
    stage: Stage | Literal[""] = ""
    error: str = ""
    failure: LoadFailure | None = None
    warnings: tuple[PluginWarning, ...] = ()
    is_file: bool = False
    import_ms: float = field(default=0.0, compare=False)
    heavy: tuple[str, ...] = field(default=(), compare=False)

    @property
    def status(self) -> Literal["ok", "warned", "failed"]:
        """Whether it works, works and did what it should not, or does not work."""
        return "failed" if self.error else "warned" if self.warnings else "ok"

    @property
    def is_slow(self) -> bool:
        """Whether its import is felt."""
        return self.import_ms > SLOW_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """All plugins that were found and all components that the working ones offer.

    `notes` are for the user, about plugins that were asked for and not found.
    """

    plugins: tuple[PluginRecord, ...]
    components: tuple[Component, ...]
    notes: tuple[str, ...] = ()


def load_host(
    found: Iterable[EntryPoint] | None = None, environ: Mapping[str, str] = os.environ
) -> Host:
    """Load every plugin of the entry-point group "stackkit" and every single file, stackkit's own first.

    `STACKKIT_PLUGINS=a,b` loads only these strangers (empty: none); `STACKKIT_STRICT=1` raises
    PluginError at the first failure instead of recording it. docs/plugins.md has the other variables.
    """
    records: list[PluginRecord] = []
    components: list[Component] = []
    seconds = plugin_seconds(environ)
    with _ONE_AT_A_TIME:
        everyone, notes = candidates(found, environ)
        if notes and environ.get("STACKKIT_STRICT") == "1":
            raise PluginError(notes[0])
        for candidate in everyone:
            interview = PluginLoader(candidate, seconds)
            stage: Stage | Literal[""] = ""
            error, failure = "", None
            try:
                check_loadable(candidate, everyone)
                components += [_component(interview, candidate, spec) for spec in interview.specs()]
            except PluginLoadError as broken:
                stage, error, failure = broken.stage, broken.error, broken.failure
                if environ.get("STACKKIT_STRICT") == "1":
                    raise PluginError(f"{candidate.label}: {stage}: {error}") from broken
            records.append(
                PluginRecord(
                    name=candidate.name,
                    distribution=candidate.distribution,
                    version=candidate.version,
                    stage=stage,
                    error=error,
                    failure=failure,
                    warnings=tuple(interview.complaints),
                    is_file=candidate.is_file,
                    import_ms=interview.import_ms,
                    heavy=interview.heavy,
                )
            )
    return Host(
        plugins=tuple(records),
        components=tuple(sorted(components, key=_component_order)),
        notes=tuple(notes),
    )


def _component(interview: PluginLoader, candidate: Candidate, spec: ComponentSpec) -> Component:
    return Component(
        spec=spec,
        plugin=candidate.name,
        distribution=candidate.distribution,
        version=candidate.version,
        code=candidate.code,
        undone="; ".join(c.reason for c in interview.complaints if c.reason.endswith(PUT_BACK)),
    )


def _component_order(component: Component) -> tuple[str, str]:
    return component.kind, component.qualified_name
