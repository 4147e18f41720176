"""Find the installed plugins, ask each one alone, and survive the broken ones."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

import pluggy

from stackkit import hookspecs
from stackkit.errors import PluginError
from stackkit.hookspecs import HOOKS
from stackkit.specs import SPEC_TYPES, ComponentSpec, Kind

GROUP = "stackkit"
OWN_DISTRIBUTION = "stackkit"

_NAME = re.compile(r"[\w.-]+")  # anything else could not be written on a command line

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
        """Either "ok" or "failed"."""
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
        """Text "plugin/name", unique among all components of a kind."""
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


class _BrokenError(Exception):
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
    records: list[PluginRecord] = []
    components: list[Component] = []
    points = _allowed(list(entry_points(group=GROUP) if found is None else found), environ)
    for point in points:
        name, version = _origin(point)
        stage = error = ""
        try:
            if refusal := _refusal(point, points):
                raise _BrokenError("name", refusal)
            components += [
                Component(spec=spec, plugin=point.name, distribution=name, version=version)
                for spec in _ask(point)
            ]
        except _BrokenError as broken:
            stage, error = broken.stage, broken.error
            if environ.get("STACKKIT_STRICT") == "1":
                text = f"plugin {point.name} ({name} {version}): {stage}: {error}"
                raise PluginError(text) from broken
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
    # A half-removed distribution has entry points and no METADATA: importlib then answers None.
    return point.dist.name or "unknown", point.dist.version or ""


def _is_own(point: EntryPoint) -> bool:
    return _origin(point)[0] == OWN_DISTRIBUTION


def _allowed(points: Sequence[EntryPoint], environ: Mapping[str, str]) -> list[EntryPoint]:
    """Stackkit's own entry points first, then by name; strangers only as the user allows."""
    chosen = environ.get("STACKKIT_PLUGINS")
    if chosen is not None:
        names = {name.strip() for name in chosen.split(",")}
        points = [point for point in points if _is_own(point) or point.name in names]
    return sorted(points, key=lambda point: (not _is_own(point), point.name, _origin(point)))


def _refusal(point: EntryPoint, points: Sequence[EntryPoint]) -> str:
    """Why the name of an entry point cannot be used, or "".

    Stackkit's own names win; among strangers nobody does, for no order of theirs means anything.
    """
    name, same = point.name, [other for other in points if other.name == point.name]
    if not _NAME.fullmatch(name):
        return f"{name!r} cannot be typed; a name is letters, digits, '.', '_', '-'"
    if len(same) == 1 or _is_own(point):
        return ""
    if any(_is_own(other) for other in same):
        return f"stackkit has a plugin {name!r} of its own; {_origin(point)[0]} must rename its plugin"
    rivals = " and ".join(sorted(_origin(other)[0] for other in same))
    return f"{rivals} each have a plugin {name!r}; uninstall all but one"


def _ask(point: EntryPoint) -> list[ComponentSpec]:
    """Everything one plugin offers, or _BrokenError with the stage that failed.

    It sits in a manager of its own, where no other plugin can be met, compared or wrapped.
    """
    manager = pluggy.PluginManager("stackkit")
    manager.add_hookspecs(hookspecs)
    plugin = _guard("import", point.load)
    _guard("register", lambda: manager.register(plugin, point.name))
    _refuse_unknown_hooks(manager)
    offered: list[ComponentSpec] = []
    for hook, kind in HOOKS.items():
        caller: pluggy.HookCaller = getattr(manager.hook, hook)
        answers = _guard(hook, partial(_answers, caller))
        if caller.get_hookimpls() and not answers:
            raise _BrokenError(hook, f"answered None; a list of {SPEC_TYPES[kind].__name__} is wanted")
        specs = [spec for answer in answers for spec in answer]
        _check_answer(hook, kind, specs)
        offered += specs
    return offered


def _guard(stage: str, work: Callable[[], T]) -> T:
    """Run a stranger's code: whatever it raises costs only itself, and stdout is not its own."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return work()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit too, and what panicking extensions raise
        raise _BrokenError(stage, one_line(error)) from error


def _answers(caller: pluggy.HookCaller) -> list[list[ComponentSpec]]:
    return [list(answer) for answer in caller()]


def one_line(error: BaseException) -> str:
    """The type and text of an exception without line breaks, even if its text cannot be had."""
    try:
        text = str(error)
    except Exception:
        text = "(it fails to say why)"
    return " ".join(f"{type(error).__name__}: {text}".split()).removesuffix(":")


def _refuse_unknown_hooks(manager: pluggy.PluginManager) -> None:
    for name, caller in vars(manager.hook).items():
        # optionalhook=True is pluggy's word for a hook that only newer hosts know.
        if not caller.has_spec() and not all(impl.optionalhook for impl in caller.get_hookimpls()):
            raise _BrokenError("register", f"unknown hook {name}; stackkit asks {', '.join(HOOKS)}")


def _check_answer(hook: str, kind: Kind, answer: list[ComponentSpec]) -> None:
    wanted = SPEC_TYPES[kind]
    names: set[str] = set()
    for spec in answer:
        if not isinstance(spec, wanted):
            came = type(spec).__name__
            raise _BrokenError(hook, f"answered {came} records; {wanted.__name__} is wanted")
        if spec.name in names:
            raise _BrokenError(hook, f"offers two {kind}s called {spec.name!r}")
        names.add(spec.name)
