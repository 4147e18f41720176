"""Which plugins work, the libraries that their components use, and which components are ready."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from stackkit.api.specs import SPEC_TYPES, Kind
from stackkit.doctor.finding import Finding, State, ok, problem
from stackkit.doctor.isolation import Diagnosis, diagnose
from stackkit.doctor.libraries import DIAGNOSES
from stackkit.host.component import Component
from stackkit.host.discovery import OWN_DISTRIBUTION, Candidate, candidates
from stackkit.host.host import Host, PluginRecord, load_host
from stackkit.host.registry import Registry
from stackkit.host.requirements import missing_requirements

TRIAL = f"{__name__}:load_all"


def load_all() -> Mapping[str, int]:
    """Load all plugins; called in a separate process."""
    return {"plugins": len(load_host().plugins)}


@dataclass(frozen=True, kw_only=True)
class Plugins:
    """The plugins that the environment variables select. Everything is examined once, on first use."""

    environ: Mapping[str, str]
    limit_s: float

    @cached_property
    def crashing(self) -> dict[Candidate, str]:
        """Plugins that end the process that loads them, and how it ended."""
        others = [one for one in candidates(None, self._lenient)[0] if not one.is_own]
        if not others or not self._trial(self._lenient):
            return {}
        ends = {one: self._trial(_only(self._lenient, [one])) for one in others}
        return {one: end for one, end in ends.items() if end}

    @cached_property
    def sound(self) -> Mapping[str, str]:
        """The variables that select all plugins that do not crash."""
        if not self.crashing:
            return self._lenient
        everyone, _ = candidates(None, self._lenient)
        return _only(self._lenient, [one for one in everyone if one not in self.crashing])

    @cached_property
    def host(self) -> Host:
        """All plugins that do not crash, working or not."""
        return load_host(environ=self.sound)

    @cached_property
    def diagnoses(self) -> dict[str, Diagnosis]:
        """Results for the libraries of every run, then for those that components name."""
        named = [text for component in self.host.components for text in component.spec.diagnoses]
        return diagnose(list(dict.fromkeys([*DIAGNOSES, *named])), self.limit_s, self.sound)

    @property
    def _lenient(self) -> dict[str, str]:
        # With STACKKIT_STRICT the first broken plugin would end the examination.
        return {name: value for name, value in self.environ.items() if name != "STACKKIT_STRICT"}

    def _trial(self, environ: Mapping[str, str]) -> str:
        return diagnose([TRIAL], self.limit_s, environ)[TRIAL].error

    def plugins(self) -> Iterator[Finding]:
        """One finding per plugin that crashes, failed, was warned or is missing; one for the others."""
        strict = self.environ.get("STACKKIT_STRICT") == "1"
        state: State = "blocker" if strict else "problem"
        for plugin, end in self.crashing.items():
            text = f"({plugin.distribution} {plugin.version}) ends the process that loads it: {end}"
            remedy = f"{_remedy(plugin)}; until then, exclude it: --disable-plugin {plugin.name}"
            yield problem(plugin.name, text, remedy, state="blocker", end=end)
        for record in self.host.plugins:
            origin = f"({record.distribution} {record.version})"
            if record.error:
                text = f"{origin} failed at {record.stage}: {record.error}"
                remedy = _remedy(record) + "; unset STACKKIT_STRICT to run without it" * strict
                yield problem(
                    record.name, text, remedy, state=state, stage=record.stage, error=record.error
                )
            elif record.warnings:
                reasons = "; ".join(f"at {one.stage}: {one.reason}" for one in record.warnings)
                remedy = f"fix {record.distribution}" if record.is_file else "report it to its author"
                warnings = [asdict(one) for one in record.warnings]
                yield ok(record.name, f"{origin} works, but {reasons}", remedy, warnings=warnings)
        for note in self.host.notes:
            remedy = "correct the variable, or install the plugin"
            yield problem(note.partition(" ")[0], note, remedy, state=state)
        names = [record.name for record in self.host.plugins if not record.error]
        yield ok("working", f"{len(names)}: {', '.join(names) or 'none'}", names=names)

    def libraries(self) -> Iterator[Finding]:
        """One finding per library."""
        for source, diagnosis in self.diagnoses.items():
            facts, error = dict(diagnosis.facts), diagnosis.error
            data: dict[str, Any] = {"diagnosis": source, "facts": dict(facts), "error": error}
            if error:
                remedy = "reinstall it (pip install --force-reinstall), or use a fresh environment"
                state: State = "blocker" if source in DIAGNOSES else "problem"
                yield problem(_name(source), f"does not work: {error}", remedy, state=state, **data)
                continue
            remedy = str(facts.pop("problem", ""))
            text = ", ".join(f"{name} {value}" for name, value in facts.items())
            found = problem if remedy else ok
            yield found(_name(source), text, remedy, **data)

    def components(self) -> Iterator[Finding]:
        """Per kind, which components are ready, and why the others are not."""
        registry = Registry(host=self.host)
        for kind in SPEC_TYPES:
            yield self._components_of(kind, registry)

    def _components_of(self, kind: Kind, registry: Registry) -> Finding:
        components = registry.of_kind(kind)
        reasons = {
            registry.short_name(one): self._broken(one) or registry.default(one).unavailable_reason()
            for one in components
        }
        unready = [name for name, reason in reasons.items() if reason]
        text = f"ready: {', '.join(name for name in reasons if name not in unready) or 'none'}"
        text += f"; not ready: {', '.join(unready)}" if unready else ""
        # A run can download missing weights and images, but not missing packages.
        if all(self._broken(one) or missing_requirements(one.spec) for one in components):
            article = "an" if kind[0] in "aeiou" else "a"
            remedy = f"a run needs {article} {kind}: solve the other problems first"
            return problem(f"{kind}s", text, remedy, state="blocker", unavailable_reason=reasons)
        remedy = f"`stackkit list-plugins --kind {kind}` shows why" if unready else ""
        return ok(f"{kind}s", text, remedy, unavailable_reason=reasons)

    def _broken(self, component: Component) -> str:
        errors = {_name(text): self.diagnoses[text].error for text in component.spec.diagnoses}
        return next((f"{name} does not work: {error}" for name, error in errors.items() if error), "")


def _name(source: str) -> str:
    return source.rpartition(":")[2].replace("_", " ")


def _only(environ: Mapping[str, str], plugins: Sequence[Candidate]) -> dict[str, str]:
    """The variables that select these third-party plugins and no others."""
    chosen = {name: value for name, value in environ.items() if name != "STACKKIT_PLUGINS_DIR"}
    chosen["STACKKIT_PLUGINS"] = ",".join(one.name for one in plugins if not one.is_file)
    files = [one.distribution for one in plugins if one.is_file]
    chosen["STACKKIT_PLUGIN_FILES"] = os.pathsep.join(files)
    return chosen


def _remedy(plugin: Candidate | PluginRecord) -> str:
    source = plugin.distribution
    if plugin.is_file:
        return f"fix {source}, or no longer load it (--plugin, --plugins-dir, STACKKIT_PLUGIN...)"
    if source == OWN_DISTRIBUTION:
        return "reinstall stackkit: pip install --force-reinstall --no-deps stackkit"
    return f"pip install --upgrade {source}, or uninstall it, or report it to its author"
