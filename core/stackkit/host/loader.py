"""Ask one plugin, alone and guarded, what it offers."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Coroutine, Iterable
from types import ModuleType, SimpleNamespace
from typing import Any, TypeVar

import pluggy

from stackkit.api import hookspecs
from stackkit.api.errors import one_line
from stackkit.api.hookspecs import HOOKS, HOOKSPEC_VERSION
from stackkit.api.specs import SPEC_TYPES, ComponentSpec, Kind
from stackkit.host.discovery import Candidate
from stackkit.host.guard import guarded
from stackkit.host.heavy_modules import heavy_imports, is_loaded
from stackkit.host.load_failure import LoadFailure, PluginLoadError, PluginWarning, Stage, failure_of

T = TypeVar("T")


class PluginLoader:
    """One plugin and what was learned of it, also where it fails: complaints, time of its import.

    It sits in a manager of its own, where no other plugin can be met, compared or wrapped.
    """

    def __init__(self, candidate: Candidate, seconds: float) -> None:
        self._candidate, self._seconds = candidate, seconds
        self.complaints: list[PluginWarning] = []
        self.import_ms = 0.0
        self.heavy: tuple[str, ...] = ()

    def specs(self) -> list[ComponentSpec]:
        """Everything the plugin offers, or PluginLoadError with the stage that failed."""
        manager = pluggy.PluginManager("stackkit")
        manager.add_hookspecs(hookspecs)
        plugin = self._import()
        self._check_version(plugin)
        self._guard("register", lambda: manager.register(_in_full(plugin), self._candidate.name))
        _refuse_unknown_hooks(manager)
        self._mind_undecorated(manager, plugin)
        callers = [(getattr(manager.hook, hook), kind) for hook, kind in HOOKS.items()]
        return [spec for caller, kind in callers for spec in self._answer(caller, kind)]

    def _import(self) -> object:
        before, start = set(sys.modules), time.perf_counter()
        try:
            return self._guard("import", self._candidate.load)
        finally:
            self.import_ms = round((time.perf_counter() - start) * 1000, 1)
            self.heavy = heavy_imports(before)
            if self.heavy and self.complaints:
                brought = f"imports {', '.join(self.heavy)}, which may be what did so: import it where"
                self.complaints.append(
                    PluginWarning(stage="import", reason=f"{brought} the component is made")
                )

    def _check_version(self, plugin: object) -> None:
        wanted = self._guard("register", lambda: getattr(plugin, "STACKKIT_HOOKSPEC_VERSION", 1))
        if not isinstance(wanted, int) or wanted > HOOKSPEC_VERSION:
            raise PluginLoadError(
                "register",
                f"wants version {wanted!r} of the hooks, this stackkit has {HOOKSPEC_VERSION}; run: "
                "pip install --upgrade stackkit",
                LoadFailure(kind="hookspec-version", name=repr(wanted)),
            )

    def _mind_undecorated(self, manager: pluggy.PluginManager, plugin: object) -> None:
        asked = {hook for hook in HOOKS if getattr(manager.hook, hook).get_hookimpls()}
        bare = self._guard("register", lambda: sorted((HOOKS.keys() - asked) & set(dir(plugin))))
        if bare:
            reason = f"{', '.join(bare)} lacks @hookimpl and is not asked"
        elif not asked:
            reason = f"has no hook, so that it offers nothing; stackkit asks {', '.join(HOOKS)}"
        else:
            return
        self.complaints.append(PluginWarning(stage="register", reason=reason))

    def _answer(self, caller: pluggy.HookCaller, kind: Kind) -> list[ComponentSpec]:
        if not caller.get_hookimpls():
            return []
        hook, wanted = caller.name, f"a list of {SPEC_TYPES[kind].__name__} is wanted"
        answers = self._guard("hook", lambda: _listed(caller), f"{hook}: ")
        if not answers:
            raise PluginLoadError("specs", f"{hook} answered None; {wanted}")
        for answer in answers:
            if not isinstance(answer, list):
                if isinstance(answer, Coroutine):
                    answer.close()  # else Python itself would warn of it, and name our line
                raise PluginLoadError("specs", f"{hook} answered {type(answer).__name__}; {wanted}")
        specs = [spec for answer in answers for spec in answer]
        _check_specs(hook, kind, specs)
        return specs

    def _guard(self, stage: Stage, work: Callable[[], T], where: str = "") -> T:
        """Run a stranger's code: whatever it raises, prints or changes costs only itself."""
        misdeeds: list[str] = []
        stranger = self._candidate
        package = stranger.package if stage == "import" and not stranger.is_own else ""
        try:
            with guarded(stranger.label, self._seconds, package) as misdeeds:
                return _told(stage, work, where)
        except (PluginLoadError, KeyboardInterrupt):
            raise
        except BaseException as error:
            raise PluginLoadError(stage, where + one_line(error), failure_of(error)) from error
        finally:
            self.complaints += [
                PluginWarning(stage=stage, reason=where + misdeed) for misdeed in misdeeds
            ]


def _told(stage: Stage, work: Callable[[], T], where: str) -> T:
    """The work's result; the text of what it raises is had here, for to make it is a stranger's code."""
    try:
        return work()
    except KeyboardInterrupt:
        raise
    except Exception as error:
        raise PluginLoadError(stage, where + one_line(error), failure_of(error)) from error


def _in_full(plugin: object) -> object:
    """What pluggy is to look through: it goes by `dir`, and by a look at each value.

    A module's own __dir__ may hide hooks from it, and the look would load modules that are lazy.
    """
    if not isinstance(plugin, ModuleType):
        return plugin
    content = {name: value for name, value in vars(plugin).items() if is_loaded(value)}
    if "__dir__" in content or len(content) < len(vars(plugin)):
        return SimpleNamespace(**content)
    return plugin


def _refuse_unknown_hooks(manager: pluggy.PluginManager) -> None:
    for name, caller in vars(manager.hook).items():
        # optionalhook=True is pluggy's word for a hook that only newer hosts know.
        if not caller.has_spec() and not all(impl.optionalhook for impl in caller.get_hookimpls()):
            raise PluginLoadError("register", f"unknown hook {name}; stackkit asks {', '.join(HOOKS)}")


def _listed(caller: pluggy.HookCaller) -> list[Any]:
    """Every answer as a list, made here for a generator is a stranger's code; no iterable as it is."""
    return [list(answer) if isinstance(answer, Iterable) else answer for answer in caller()]


def _check_specs(hook: str, kind: Kind, specs: list[ComponentSpec]) -> None:
    wanted = SPEC_TYPES[kind]
    names: set[str] = set()
    for spec in specs:
        if type(spec) is not wanted:  # a subclass could say one thing now and another later, or raise
            came = type(spec).__name__
            raise PluginLoadError(
                "specs", f"{hook} answered {came} records; {wanted.__name__} is wanted"
            )
        if spec.name in names:
            raise PluginLoadError("specs", f"{hook} offers two {kind}s called {spec.name!r}")
        names.add(spec.name)
