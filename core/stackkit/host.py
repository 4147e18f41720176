"""Find the installed plugins, ask each one alone, and survive the broken ones."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

import pluggy

from stackkit import hookspecs
from stackkit.errors import PluginError
from stackkit.hookspecs import HOOKS
from stackkit.specs import SPEC_TYPES, ComponentSpec, Kind

GROUP = "stackkit"
OWN_DISTRIBUTION = "stackkit"

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginRecord:
    """One installed plugin and what became of it; `stage` and `error` are empty if it works."""

    name: str
    distribution: str
    version: str
    stage: str = ""
    error: str = ""

    @property
    def status(self) -> str:
        """ "ok" or "failed"."""
        return "failed" if self.error else "ok"


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A spec and where it came from."""

    spec: ComponentSpec
    plugin: str
    distribution: str
    version: str

    @property
    def kind(self) -> Kind:
        """The component's kind."""
        return self.spec.kind

    @property
    def qualified_name(self) -> str:
        """ "plugin/name", unique among all components of a kind."""
        return f"{self.plugin}/{self.spec.name}"

    @property
    def is_own(self) -> bool:
        """Whether stackkit itself ships it."""
        return self.distribution == OWN_DISTRIBUTION


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """All plugins that were found and all components that the working ones offer."""

    plugins: tuple[PluginRecord, ...]
    components: tuple[Component, ...]


class _Broken(Exception):
    """A plugin failed at a stage; becomes its record."""

    def __init__(self, stage: str, error: str) -> None:
        super().__init__(error)
        self.stage = stage
        self.error = error


def load_host(
    found: Iterable[EntryPoint] | None = None, environ: Mapping[str, str] = os.environ
) -> Host:
    """Load every plugin of the entry-point group "stackkit", stackkit's own first.

    `STACKKIT_PLUGINS=a,b` loads only these strangers (empty: none); `STACKKIT_STRICT=1` raises
    PluginError at the first failure instead of recording it.
    """
    manager = pluggy.PluginManager("stackkit")
    manager.add_hookspecs(hookspecs)
    records: list[PluginRecord] = []
    components: list[Component] = []
    points = list(entry_points(group=GROUP) if found is None else found)
    for point, clash in _without_clashes(_allowed(points, environ)):
        name, version = _origin(point)
        stage = error = ""
        try:
            if clash:
                raise _Broken("name clash", clash)
            components += [
                Component(spec=spec, plugin=point.name, distribution=name, version=version)
                for spec in _ask(manager, point)
            ]
        except _Broken as broken:
            stage, error = broken.stage, broken.error
            if environ.get("STACKKIT_STRICT") == "1":
                raise PluginError(f"plugin {point.name} ({name} {version}): {stage}: {error}") from None
        records.append(
            PluginRecord(name=point.name, distribution=name, version=version, stage=stage, error=error)
        )
    return Host(plugins=tuple(records), components=tuple(sorted(components, key=_component_order)))


def _component_order(component: Component) -> tuple[str, str]:
    return component.kind, component.qualified_name


def _origin(point: EntryPoint) -> tuple[str, str]:
    """Name and version of the distribution that declares an entry point."""
    if point.dist is None:
        return "unknown", ""
    return point.dist.name, point.dist.version


def _is_own(point: EntryPoint) -> bool:
    return _origin(point)[0] == OWN_DISTRIBUTION


def _allowed(points: Sequence[EntryPoint], environ: Mapping[str, str]) -> list[EntryPoint]:
    """Stackkit's own entry points first, then by name; strangers only as the user allows."""
    chosen = environ.get("STACKKIT_PLUGINS")
    if chosen is not None:
        names = {name.strip() for name in chosen.split(",")}
        points = [point for point in points if _is_own(point) or point.name in names]
    return sorted(points, key=lambda point: (not _is_own(point), point.name, _origin(point)))


def _without_clashes(points: Sequence[EntryPoint]) -> Iterable[tuple[EntryPoint, str]]:
    """Pair each entry point with the reason why its name cannot be used, or "".

    Stackkit's own names win; among strangers nobody does, for no order of theirs means anything.
    """
    for point in points:
        rivals = [other for other in points if other.name == point.name and other is not point]
        if not rivals or _is_own(point):
            yield point, ""
            continue
        names = " and ".join(sorted({_origin(other)[0] for other in (point, *rivals)}))
        yield point, f"{names} both call a plugin {point.name!r}; uninstall one of them"


def _ask(manager: pluggy.PluginManager, point: EntryPoint) -> list[ComponentSpec]:
    """Everything one plugin offers, or _Broken with the stage that failed."""
    plugin = _guard("import", point.load)
    # A string's module may be imported under two names; pluggy refuses the second by itself.
    _guard("register", lambda: manager.register(plugin, point.name))
    try:
        _refuse_unknown_hooks(manager, plugin)
        others = [other for other in manager.get_plugins() if other is not plugin]
        offered: list[ComponentSpec] = []
        for hook, kind in HOOKS.items():
            ask_alone = manager.subset_hook_caller(hook, others)
            answers = _guard(hook, lambda ask=ask_alone: [list(answer) for answer in ask()])
            for answer in answers:
                _check_answer(hook, kind, answer)
                offered += answer
    except _Broken:
        manager.unregister(plugin)
        raise
    return offered


def _guard(stage: str, work: Callable[[], T]) -> T:
    try:
        return work()
    except (Exception, SystemExit) as error:  # whatever a stranger's code raises costs only itself
        text = " ".join(f"{type(error).__name__}: {error}".split())
        raise _Broken(stage, text) from error


def _refuse_unknown_hooks(manager: pluggy.PluginManager, plugin: object) -> None:
    for caller in manager.get_hookcallers(plugin) or []:
        if not caller.has_spec():
            known = ", ".join(HOOKS)
            raise _Broken("register", f"unknown hook {caller.name}; stackkit asks {known}")


def _check_answer(hook: str, kind: Kind, answer: list[object]) -> None:
    wanted = SPEC_TYPES[kind]
    names: set[str] = set()
    for spec in answer:
        if not isinstance(spec, wanted):
            raise _Broken(hook, f"answered {spec!r}; {wanted.__name__} records are wanted")
        if spec.name in names:
            raise _Broken(hook, f"offers two {kind}s called {spec.name!r}")
        names.add(spec.name)
