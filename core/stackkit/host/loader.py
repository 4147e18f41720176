"""Import one plugin and collect the components that it offers."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Coroutine, Iterable
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar

import pluggy

from stackkit.api import hookspecs
from stackkit.api.errors import one_line
from stackkit.api.hookspecs import HOOKS, HOOKSPEC_VERSION
from stackkit.api.specs import SPEC_TYPES, ComponentSpec, Kind
from stackkit.host.discovery import Candidate
from stackkit.host.heavy_modules import heavy_imports, is_loaded
from stackkit.host.load_failure import LoadFailure, PluginLoadError, PluginWarning, Stage, failure_of

if TYPE_CHECKING:
    from stackkit.host.replaced import PluginWatch

T = TypeVar("T")


class PluginLoader:
    """Load one plugin; what was learned about it is kept also if it fails.

    Attributes
    ----------
    warnings : list of PluginWarning
        What the plugin should not have done.
    restored : list of str
        Names of what its import changed in the process and the guard restored.
    replaced : list of str
        Names of functions and modules of numerical libraries that it replaced in the process.
    import_ms : float
        Duration of its import in milliseconds.
    heavy : tuple of str
        Heavy modules that its import brought in.

    """

    def __init__(self, candidate: Candidate, seconds: float) -> None:
        self._candidate, self._seconds = candidate, seconds
        self.warnings: list[PluginWarning] = []
        self.restored: list[str] = []
        self.replaced: list[str] = []
        self.import_ms = 0.0
        self.heavy: tuple[str, ...] = ()
        self._libraries: PluginWatch | None = None

    def load(self) -> list[ComponentSpec]:
        """Return the specs of all components; raise PluginLoadError with the stage that failed."""
        plugin = self._import()
        # Of a module, pluggy reads the content and calls nothing; of an object, it may run properties.
        is_calm = isinstance(plugin, ModuleType)
        manager = self._run("register", lambda: self._register(plugin), replaces_nothing=is_calm)
        callers = [(getattr(manager.hook, hook), kind) for hook, kind in HOOKS.items()]
        return [spec for caller, kind in callers for spec in self._ask(caller, kind)]

    def _import(self) -> object:
        before, start = set(sys.modules), time.perf_counter()
        try:
            return self._run("import", self._candidate.load)
        finally:
            self.import_ms = round((time.perf_counter() - start) * 1000, 1)
            self.heavy = heavy_imports(before)
            if self.heavy and self.warnings:
                self._warn(
                    "import",
                    f"imports {', '.join(self.heavy)}, which may have caused this; "
                    "import it where the component is created",
                )

    def _register(self, plugin: object) -> pluggy.PluginManager:
        """Register a plugin in a manager of its own, where it cannot wrap or block other plugins."""
        required = getattr(plugin, "STACKKIT_HOOKSPEC_VERSION", 1)
        if not isinstance(required, int) or required > HOOKSPEC_VERSION:
            raise PluginLoadError(
                "register",
                f"requires hook version {required!r}, but this stackkit has {HOOKSPEC_VERSION}; "
                "run: pip install --upgrade stackkit",
                LoadFailure(kind="hookspec-version", name=repr(required)),
            )
        manager = pluggy.PluginManager("stackkit")
        manager.add_hookspecs(hookspecs)
        manager.register(_visible_to_pluggy(plugin), self._candidate.name)
        for name, caller in vars(manager.hook).items():
            # optionalhook=True is pluggy's way to mark a hook that only newer hosts have.
            if not caller.has_spec() and not all(impl.optionalhook for impl in caller.get_hookimpls()):
                known = ", ".join(HOOKS)
                raise PluginLoadError("register", f"unknown hook {name}; the hooks are {known}")
        implemented = {hook for hook in HOOKS if getattr(manager.hook, hook).get_hookimpls()}
        if bare := sorted((HOOKS.keys() - implemented) & set(dir(plugin))):
            self._warn("register", f"{', '.join(bare)} is ignored: add @hookimpl above it")
        elif not implemented:
            self._warn("register", f"offers nothing: it has none of the hooks {', '.join(HOOKS)}")
        return manager

    def _ask(self, caller: pluggy.HookCaller, kind: Kind) -> list[ComponentSpec]:
        if not caller.get_hookimpls():
            return []
        hook, expected = caller.name, f"a list of {SPEC_TYPES[kind].__name__}"
        answers = self._run("hook", lambda: _answers(caller), f"{hook}: ")
        if not answers:  # pluggy leaves out answers that are None
            raise PluginLoadError("specs", f"{hook} must return {expected}, got None")
        for answer in answers:
            if not isinstance(answer, list):
                if isinstance(answer, Coroutine):
                    answer.close()  # otherwise Python warns that it was never awaited
                got = type(answer).__name__
                raise PluginLoadError("specs", f"{hook} must return {expected}, got {got}")
        specs = [spec for answer in answers for spec in answer]
        _check_specs(hook, kind, specs)
        return specs

    def _run(
        self, stage: Stage, work: Callable[[], T], where: str = "", *, replaces_nothing: bool = False
    ) -> T:
        """Run a plugin's code; every exception becomes a PluginLoadError that starts with `where`.

        Stackkit's own code needs no guard, which takes longer than most of its plugins' imports.
        """
        if self._candidate.is_own:
            return _described(stage, work, where)
        # Imported here since most installations have no third-party plugin.
        from stackkit.host.guard import Observations, guarded
        from stackkit.host.replaced import PluginWatch

        self._libraries = self._libraries or PluginWatch()
        observed, candidate = Observations(), self._candidate
        label, package = candidate.label, candidate.package
        libraries = None if replaces_nothing else self._libraries
        try:
            with guarded(observed, label, self._seconds, package, libraries):
                return _described(stage, work, where)
        except (PluginLoadError, KeyboardInterrupt):
            raise
        except BaseException as error:  # also SystemExit, and panics of extensions in Rust
            raise PluginLoadError(stage, where + one_line(error), failure_of(error)) from error
        finally:
            observed.replaced = [name for name in observed.replaced if name not in self.replaced]
            self.replaced += observed.replaced
            for reason in observed.reasons():
                self._warn(stage, where + reason)
            if stage == "import":
                self.restored += observed.restored

    def _warn(self, stage: Stage, reason: str) -> None:
        self.warnings.append(PluginWarning(stage=stage, reason=reason))


def _described(stage: Stage, work: Callable[[], T], where: str) -> T:
    """Describe exceptions inside the guard: `str(error)` runs the plugin's code as well."""
    try:
        return work()
    except PluginLoadError:
        raise
    except Exception as error:
        raise PluginLoadError(stage, where + one_line(error), failure_of(error)) from error


def _visible_to_pluggy(plugin: object) -> object:
    """Return the plugin, or a namespace with its hooks where pluggy must not look at a module.

    pluggy goes by `dir(plugin)` and reads each attribute: a `__dir__` of the module may hide hooks,
    and reading an attribute of a lazily imported module loads that.
    """
    if not isinstance(plugin, ModuleType):
        return plugin
    content = {name: value for name, value in vars(plugin).items() if is_loaded(value)}
    if "__dir__" in content or len(content) < len(vars(plugin)):
        return SimpleNamespace(**content)
    return plugin


def _answers(caller: pluggy.HookCaller) -> list[Any]:
    """Call a hook; generators are read here, inside the guard, since that runs the plugin's code."""
    return [list(answer) if isinstance(answer, Iterable) else answer for answer in caller()]


def _check_specs(hook: str, kind: Kind, specs: list[ComponentSpec]) -> None:
    expected = SPEC_TYPES[kind]
    names: set[str] = set()
    for spec in specs:
        # Not isinstance: a subclass could compute its fields, and raise while stackkit reads them.
        if type(spec) is not expected:
            got = type(spec).__name__
            raise PluginLoadError("specs", f"{hook} must return {expected.__name__} records, got {got}")
        if spec.name in names:
            raise PluginLoadError("specs", f"{hook} returned two {kind}s named {spec.name!r}")
        names.add(spec.name)
