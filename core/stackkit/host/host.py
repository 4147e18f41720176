"""Load all plugins, each on its own, and record those that fail."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import EntryPoint
from typing import Literal

from stackkit.api.errors import PluginError
from stackkit.host.component import Component
from stackkit.host.discovery import Candidate, candidates, check_loadable, named_plugins
from stackkit.host.load_failure import LoadFailure, PluginLoadError, PluginWarning, Stage, listed
from stackkit.host.loader import PluginLoader
from stackkit.host.timeout import plugin_seconds

SLOW_MS = 200.0
"""Milliseconds; a plugin with a longer import is reported as slow."""

# The guard replaces streams and handlers of the whole process, so threads must take turns.
_ONE_AT_A_TIME = threading.RLock()


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginRecord:
    """One plugin that was found, whether or not it loaded.

    Parameters
    ----------
    name : str
        Its entry point's name, or the stem of a single file.
    distribution, version : str
        Where it comes from; for a single file, its path and a digest of its content.
    stage : str
        The stage that failed: "find", "import", "register", "hook" or "specs"; "" if none did.
    error : str
        One line that says why it failed, or "".
    failure : LoadFailure or None
        The kind of the error, for code that chooses a remedy; None if the plugin works.
    warnings : tuple of PluginWarning
        What it should not have done while it was loaded.
    replaced : tuple of str
        Functions and modules of numerical libraries that it replaced for the whole process.
    is_file : bool
        Whether it is a single file.
    import_ms : float
        Duration of its import in milliseconds. Another plugin may have imported the same modules
        before; then this one's import is shorter.
    heavy : tuple of str
        Heavy modules, such as "numpy", that its import brought in.

    """

    name: str
    distribution: str
    version: str
    stage: Stage | Literal[""] = ""
    error: str = ""
    failure: LoadFailure | None = None
    warnings: tuple[PluginWarning, ...] = ()
    replaced: tuple[str, ...] = ()
    is_file: bool = False
    import_ms: float = field(default=0.0, compare=False)
    heavy: tuple[str, ...] = field(default=(), compare=False)

    @property
    def status(self) -> Literal["ok", "warned", "failed"]:
        """Whether it works, works but has warnings, or failed."""
        return "failed" if self.error else "warned" if self.warnings else "ok"

    @property
    def failed_as(self) -> str:
        """The failure as one line that names the plugin and its origin."""
        origin = f"{self.distribution} {self.version}"
        return f"plugin {self.name} ({origin}) failed at {self.stage}: {self.error}"

    @property
    def is_slow(self) -> bool:
        """Whether its import took longer than `SLOW_MS`."""
        return self.import_ms > SLOW_MS

    @property
    def effect_on_figures(self) -> str:
        """A sentence about functions that it replaced, or "". It holds though the plugin is not used."""
        if not self.replaced:
            return ""
        return (
            f"Plugin {self.name} ({self.distribution} {self.version}) replaced {listed(self.replaced)} "
            "for the whole process, so that every figure may differ; to leave it out, pass "
            f"--disable-plugin {self.name} before the command."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """All plugins that were found, and all components of those that loaded.

    Parameters
    ----------
    plugins : tuple of PluginRecord
        Stackkit's own first, then by name.
    components : tuple of Component
        Sorted by kind and qualified name.
    notes : tuple of str
        Messages for the user about plugins that they named, by STACKKIT_PLUGINS or as a file, and
        that do not exist or failed.

    """

    plugins: tuple[PluginRecord, ...]
    components: tuple[Component, ...]
    notes: tuple[str, ...] = ()

    @property
    def effects_on_figures(self) -> tuple[str, ...]:
        """A sentence about each plugin that replaced functions of numerical libraries."""
        return tuple(each.effect_on_figures for each in self.plugins if each.replaced)


def load_host(
    found: Iterable[EntryPoint] | None = None, environ: Mapping[str, str] = os.environ
) -> Host:
    """Load every plugin: installed ones, and single files that the user names.

    Parameters
    ----------
    found : iterable of EntryPoint, optional
        The installed plugins; by default, all entry points of the group "stackkit".
    environ : mapping
        Holds the settings: `STACKKIT_PLUGINS=a,b` loads only these third-party plugins (empty: none),
        and docs/explanation/plugins.md describes the others.

    Returns
    -------
    Host
        A plugin that fails is recorded and offers no component.

    Raises
    ------
    PluginError
        With `STACKKIT_STRICT=1`, at the first plugin that fails.
    UsageError
        If STACKKIT_PLUGIN_TIMEOUT is not a number of seconds.

    """
    records: list[PluginRecord] = []
    components: list[Component] = []
    seconds, is_strict = plugin_seconds(environ), environ.get("STACKKIT_STRICT") == "1"
    with _ONE_AT_A_TIME:
        everyone, notes = candidates(found, environ)
        if notes and is_strict:
            raise PluginError(notes[0])
        for candidate in everyone:
            record, offered, error = _load(candidate, everyone, seconds)
            if error and is_strict:
                raise PluginError(f"{candidate.label}: {error.stage}: {error.error}") from error
            records.append(record)
            components += offered
    chosen = named_plugins(environ)
    failed = [each for each in records if each.error and chosen & {each.name, each.distribution}]
    if altered := _altered(records):
        components = [replace(each, altered=altered) for each in components]
    return Host(
        plugins=tuple(records),
        components=tuple(sorted(components, key=lambda each: (each.kind, each.qualified_name))),
        notes=(*notes, *(f"{each.failed_as}; it is not used" for each in failed)),
    )


def _altered(records: Sequence[PluginRecord]) -> str:
    """Return a digest of everything that plugins replaced in numerical libraries; "" for nothing."""
    found = [[r.name, r.distribution, r.version, *r.replaced] for r in records if r.replaced]
    return hashlib.blake2b(repr(found).encode(), digest_size=6).hexdigest() if found else ""


def _load(
    candidate: Candidate, everyone: Sequence[Candidate], seconds: float
) -> tuple[PluginRecord, list[Component], PluginLoadError | None]:
    loader, error = PluginLoader(candidate, seconds), None
    components: list[Component] = []
    try:
        check_loadable(candidate, everyone)
        components = [
            Component(
                spec=spec,
                plugin=candidate.name,
                distribution=candidate.distribution,
                version=candidate.version,
                code=candidate.code,
                restored=tuple(loader.restored),
            )
            for spec in loader.load()
        ]
    except PluginLoadError as failed:
        error = failed
    record = PluginRecord(
        name=candidate.name,
        distribution=candidate.distribution,
        version=candidate.version,
        stage=error.stage if error else "",
        error=error.error if error else "",
        failure=error.failure if error else None,
        warnings=tuple(loader.warnings),
        replaced=tuple(loader.replaced),
        is_file=candidate.is_file,
        import_ms=loader.import_ms,
        heavy=loader.heavy,
    )
    return record, components, error
