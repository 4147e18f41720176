"""Which plugins work, what their components run on, and what each component lacks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property

from stackkit.api.specs import SPEC_TYPES, Kind
from stackkit.doctor.deadly import Deadly, deadly, without
from stackkit.doctor.diagnosis import LIMIT_S, Diagnosis, diagnose
from stackkit.doctor.findings import Finding
from stackkit.doctor.libraries import DIAGNOSES
from stackkit.host.component import Component
from stackkit.host.discovery import OWN_DISTRIBUTION
from stackkit.host.host import Host, PluginRecord, load_host
from stackkit.host.registry import Registry
from stackkit.host.requirements import missing_requirements


@dataclass(frozen=True, kw_only=True)
class Components:
    """The plugins that an environment lets in, and what they run on; asked once, when wanted."""

    environ: Mapping[str, str]
    limit_s: float = LIMIT_S

    @cached_property
    def host(self) -> Host:
        """All plugins, the broken ones too, but for those that would end this process."""
        return load_host(environ=without(self._lenient, self.deadly))

    @cached_property
    def deadly(self) -> list[Deadly]:
        """The plugins that end the process which loads them."""
        return deadly(self._lenient, self.limit_s)

    @property
    def _lenient(self) -> Mapping[str, str]:
        return {name: value for name, value in self.environ.items() if name != "STACKKIT_STRICT"}

    @cached_property
    def diagnoses(self) -> dict[str, Diagnosis]:
        """What each library said: those of every run first, then those that components name."""
        named = [text for component in self.host.components for text in component.spec.diagnoses]
        texts = list(dict.fromkeys([*DIAGNOSES, *named]))
        return diagnose(texts, self.limit_s, without(self._lenient, self.deadly))

    def plugins(self) -> Iterator[Finding]:
        """One finding per plugin that failed, was warned or is absent, and one for those that work."""
        strict = self.environ.get("STACKKIT_STRICT") == "1"
        yield from map(_blocker, self.deadly)
        for record in self.host.plugins:
            if record.error:
                yield _failure(record, strict=strict)
            elif record.warnings:
                yield _warned(record)
        for note in self.host.notes:
            remedy = "correct the variable, or install the plugin"
            yield Finding(
                name="STACKKIT_PLUGINS",
                text=note,
                state="blocker" if strict else "problem",
                remedy=remedy,
            )
        working = [record.name for record in self.host.plugins if not record.error]
        yield Finding(
            name="working",
            text=f"{len(working)}: {', '.join(working) or 'none'}",
            data={"names": working},
        )

    def libraries(self) -> Iterator[Finding]:
        """One finding per library that was tried."""
        for text, diagnosis in self.diagnoses.items():
            yield _library(diagnosis, needed_always=text in DIAGNOSES)

    def kinds(self) -> Iterator[Finding]:
        """Per kind of component: which are ready, and what the others lack."""
        registry = Registry(host=self.host)
        for kind in SPEC_TYPES:
            yield self._kind(kind, registry)

    def _kind(self, kind: Kind, registry: Registry) -> Finding:
        components = registry.of_kind(kind)
        unavailable_reason = {
            registry.short_name(component): self._broken(component)
            or registry.default(component).unavailable_reason()
            for component in components
        }
        ready = [name for name, reason in unavailable_reason.items() if not reason]
        told = [f"ready: {', '.join(ready) or 'none'}"]
        if len(ready) < len(unavailable_reason):
            unready = [name for name, reason in unavailable_reason.items() if reason]
            told.append(f"lacking something: {', '.join(unready)}")
        none_can = all(self._broken(c) or missing_requirements(c.spec) for c in components)
        remedy = f"`stackkit list-plugins --kind {kind}` says what each lacks" if told[1:] else ""
        return Finding(
            name=f"{kind}s",
            text="; ".join(told),
            state="blocker" if none_can else "ok",
            remedy=f"a run needs a {kind}: solve the other problems first" if none_can else remedy,
            data={"unavailable_reason": unavailable_reason},
        )

    def _broken(self, component: Component) -> str | None:
        for text in component.spec.diagnoses:
            if error := self.diagnoses[text].error:
                return f"{self.diagnoses[text].name} does not work: {error}"
        return None


def _blocker(found: Deadly) -> Finding:
    plugin = found.plugin
    return Finding(
        name=plugin.name,
        text=f"({plugin.distribution} {plugin.version}) ends every process that loads it: {found.end}",
        state="blocker",
        remedy=f"{_way_out(plugin.distribution, is_file=plugin.is_file)}; until then, leave it out by "
        "--no-plugins or STACKKIT_PLUGINS",
        data={"distribution": plugin.distribution, "version": plugin.version, "end": found.end},
    )


def _warned(record: PluginRecord) -> Finding:
    told = [f"at {warning.stage}: {warning.reason}" for warning in record.warnings]
    return Finding(
        name=record.name,
        text=f"({record.distribution} {record.version}) works, but {'; '.join(told)}",
        remedy="tell its author" if not record.is_file else f"mend {record.distribution}",
        data={
            "distribution": record.distribution,
            "version": record.version,
            "warnings": [asdict(warning) for warning in record.warnings],
        },
    )


def _way_out(distribution: str, *, is_file: bool) -> str:
    if is_file:
        return f"mend {distribution}, or no longer name it (--plugin, --plugins-dir, STACKKIT_PLUGIN...)"
    if distribution == OWN_DISTRIBUTION:
        return "install stackkit anew: pip install --force-reinstall --no-deps stackkit"
    return f"pip install --upgrade {distribution}, or uninstall it, or tell its author"


def _failure(record: PluginRecord, *, strict: bool) -> Finding:
    origin = f"{record.distribution} {record.version}".strip()
    remedy = _way_out(record.distribution, is_file=record.is_file)
    if strict:
        remedy += "; unset STACKKIT_STRICT to run without it"
    return Finding(
        name=record.name,
        text=f"({origin}) failed at {record.stage}: {record.error}",
        state="blocker" if strict else "problem",
        remedy=remedy,
        data={
            "distribution": record.distribution,
            "version": record.version,
            "stage": record.stage,
            "error": record.error,
        },
    )


def _library(diagnosis: Diagnosis, *, needed_always: bool) -> Finding:
    data = {"diagnosis": diagnosis.text, "facts": dict(diagnosis.facts), "error": diagnosis.error}
    if diagnosis.error:
        return Finding(
            name=diagnosis.name,
            text=f"does not work: {diagnosis.error}",
            state="blocker" if needed_always else "problem",
            remedy="install its packages anew (`pip install --force-reinstall`), in a fresh environment "
            "if that does not help",
            data=data,
        )
    facts = dict(diagnosis.facts)
    problem = str(facts.pop("problem", ""))
    text = ", ".join(f"{name} {value}" for name, value in facts.items())
    return Finding(
        name=diagnosis.name, text=text, state="problem" if problem else "ok", remedy=problem, data=data
    )
