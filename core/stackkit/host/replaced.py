"""Notice that a plugin replaces functions of numerical libraries, which every figure depends on."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain, islice
from operator import is_
from types import FunctionType, ModuleType
from typing import Any

from stackkit.api.errors import plain
from stackkit.host.heavy_modules import HEAVY, is_loaded

WATCHED = HEAVY | {"math", "random", "stackkit", "stackkit_plugins"}
"""Top-level modules that figures depend on: a function that is replaced in one of them is reported."""

_IN_PLACE: dict[str, dict[str, object]] = {}
"""What each plugin has replaced in this process: its label -> name -> the new value.

A plugin is imported once per process, so a host that is loaded again sees no replacement happen.
"""


def _watched_modules() -> dict[str, ModuleType]:
    """All watched modules that have been executed, by name."""
    return {
        name: module
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] in WATCHED and isinstance(module, ModuleType) and is_loaded(module)
    }


def _live(module: ModuleType) -> dict[str, Any]:
    """Return a module's content. A lazy module would load itself if `vars` read it."""
    content: dict[str, Any] = object.__getattribute__(module, "__dict__")
    return content


class _Contents:
    """Names and values in all watched modules at one moment.

    Flat lists, because TensorFlow alone has 3,000 modules: a copy of each would start the garbage
    collector again and again, and to compare them one by one takes five times as long.
    """

    def __init__(self) -> None:
        self._everything = list(sys.modules.values())
        self._unloaded = [each for each in self._everything if not is_loaded(each)]
        self._modules = _watched_modules()
        lives = list(map(_live, self._modules.values()))
        while True:
            with suppress(RuntimeError):  # another thread adds a name at this moment
                self._lengths = list(map(len, lives))
                self._keys = list(chain.from_iterable(lives))
                self._values = list(chain.from_iterable(map(dict.values, lives)))
                if self._lengths == list(map(len, lives)):
                    break

    def is_current(self) -> bool:
        """Return whether nothing has changed, as is nearly always the case."""
        if not self._has_all_modules():
            return False
        lives = list(map(_live, self._modules.values()))
        try:
            # Names are not compared, which saves nearly half of the time: a dict keeps its order, so
            # only its last value can have another name now, and the old name is an error for its users.
            return list(map(len, lives)) == self._lengths and _are_same(
                chain.from_iterable(map(dict.values, lives)), self._values
            )
        except RuntimeError:  # another thread adds a name at this moment
            return False

    def _has_all_modules(self) -> bool:
        """Return whether the watched modules are the same. To filter them by name takes longest."""
        everything = list(sys.modules.values())
        if len(everything) == len(self._everything) and _are_same(everything, self._everything):
            return not any(map(is_loaded, self._unloaded))
        modules = _watched_modules()
        return len(modules) == len(self._modules) and _are_same(modules.values(), self._modules.values())

    def by_module(self) -> Iterator[tuple[str, ModuleType, dict[str, Any]]]:
        """Name, module and content of each module."""
        pairs = zip(self._keys, self._values, strict=True)
        for (name, module), length in zip(self._modules.items(), self._lengths, strict=True):
            yield name, module, dict(islice(pairs, length))


def _contents() -> _Contents:
    """Return what is there now: the latest contents if they are current, which is told in less time."""
    if not (_LATEST and _LATEST[-1].is_current()):
        _LATEST[:] = [_Contents()]
    return _LATEST[-1]


_LATEST: list[_Contents] = []


def _are_same(some: Iterable[object], others: Iterable[object]) -> bool:
    return all(map(is_, some, others))


class PluginWatch:
    """Notice functions of numerical libraries that one plugin replaces while it is loaded."""

    def __init__(self) -> None:
        self._seen = _contents()

    def replaced(self, package: str) -> dict[str, object]:
        """What was replaced since the last call, or since the start, in modules other than `package`."""
        if self._seen.is_current():
            return {}
        before, self._seen = self._seen, _contents()
        return _replaced(before, self._seen, package)


class LibraryWatch:
    """Notice functions of numerical libraries that are replaced from now on.

    Only modules that have been imported by now are watched.
    """

    def __init__(self) -> None:
        self._before = _contents()

    def replaced(self) -> list[str]:
        """Return names such as "numpy.mean (by acme)", sorted."""
        if self._before.is_current():
            return []
        found = _replaced(self._before, _contents(), package="")
        return [f"{name}{_author(value)}" for name, value in sorted(found.items())]


def _author(value: object) -> str:
    module = plain(_module_of(value))
    return "" if module == "builtins" else f" (by {module})"


def still_replaced(label: str, new: dict[str, object]) -> list[str]:
    """Return the names in `new`, and those of earlier imports in this process that are in place."""
    known = _IN_PLACE.get(label, {}) | new
    modules = _watched_modules() if known else {}
    kept = {name: value for name, value in known.items() if _current(modules, name) is value}
    _IN_PLACE[label] = kept
    return sorted(kept)


def _current(modules: dict[str, ModuleType], name: str) -> object:
    if name in modules:
        return modules[name]
    module, _, key = name.rpartition(".")
    return _live(modules[module]).get(key) if module in modules else None


def _replaced(before: _Contents, now: _Contents, package: str) -> dict[str, object]:
    """Modules and functions that were replaced in watched modules other than `package`, by name."""
    found: dict[str, object] = {}
    earlier = {name: (module, content) for name, module, content in before.by_module()}
    for name, module, content in now.by_module():
        if name.partition(".")[0] == package:
            continue
        old_module, old = earlier.get(name, (module, {}))
        if module is not old_module:
            found[name] = module
        else:
            found |= {f"{name}.{key}": value for key, value in _changes(old, content, package)}
    return found


def _changes(old: dict[str, Any], content: dict[str, Any], package: str) -> Iterator[tuple[str, object]]:
    for key in old.keys() | content.keys():
        value = content.get(key)
        if value is old.get(key) or isinstance(value, ModuleType):  # imported submodules
            continue
        # A module that the plugin itself imported was not seen before: there, only what is defined
        # in the plugin's package can be told to be replaced.
        if callable(old.get(key)) or _is_defined_in(value, package):
            yield key, value


def _is_defined_in(value: object, package: str) -> bool:
    return package != "" and _module_of(value).partition(".")[0] == package


def _module_of(value: object) -> str:
    """Return the module that defines a function, a class, or the class of an object."""
    if type(value) is functools.partial:
        value = value.func
    if type(value) is FunctionType:
        # `__module__` would be that of the original where functools.wraps was used.
        return str(value.__globals__.get("__name__", ""))
    of = value if isinstance(value, type) else type(value)
    return str(type.__getattribute__(of, "__module__"))
