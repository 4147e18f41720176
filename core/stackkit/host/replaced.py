"""Notice that a plugin replaces functions of numerical libraries, which every figure depends on."""

from __future__ import annotations

import functools
import sys
from operator import is_
from types import FunctionType, ModuleType
from typing import Any, TypeAlias

from stackkit.api.errors import plain
from stackkit.host.heavy_modules import HEAVY, is_loaded

WATCHED = HEAVY | {"math", "random", "stackkit", "stackkit_plugins"}
"""Top-level modules that figures depend on: a function that is replaced in one of them is reported."""

_Contents: TypeAlias = dict[str, tuple[ModuleType, dict[str, Any]]]

_IN_PLACE: dict[str, dict[str, object]] = {}
"""What each plugin has replaced in this process: its label -> name -> the new value.

A plugin is imported once per process, so a host that is loaded again sees no replacement happen.
"""


def library_contents() -> _Contents:
    """Names and values of all watched modules that have been executed."""
    return {
        # Not vars(module): a lazy module would load itself when its attributes are read.
        name: (module, dict(object.__getattribute__(module, "__dict__")))
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] in WATCHED and isinstance(module, ModuleType) and is_loaded(module)
    }


class LibraryWatch:
    """Notice functions of numerical libraries that are replaced from now on.

    Only modules that have been imported by now are watched.
    """

    def __init__(self) -> None:
        self._before = library_contents()

    def replaced(self) -> list[str]:
        """Return names such as "numpy.mean (by acme)", sorted."""
        found = replaced(self._before, package="")
        return [f"{name}{_author(value)}" for name, value in sorted(found.items())]


def _author(value: object) -> str:
    module = plain(_module_of(value))
    return "" if module == "builtins" else f" (by {module})"


def still_replaced(label: str, new: dict[str, object]) -> list[str]:
    """Return the names in `new`, and those of earlier imports in this process that are in place."""
    known = _IN_PLACE.get(label, {}) | new
    contents = library_contents() if known else {}
    kept = {name: value for name, value in known.items() if _current(contents, name) is value}
    _IN_PLACE[label] = kept
    return sorted(kept)


def _current(contents: _Contents, name: str) -> object:
    if name in contents:
        return contents[name][0]
    module, _, key = name.rpartition(".")
    return contents[module][1].get(key) if module in contents else None


def replaced(before: _Contents, package: str) -> dict[str, object]:
    """Modules and functions that were replaced in watched modules other than `package`, by name."""
    found: dict[str, object] = {}
    for name, (module, content) in library_contents().items():
        if name.partition(".")[0] == package:
            continue
        old_module, old = before.get(name, (module, {}))
        if module is not old_module:
            found[name] = module
            continue
        # Nearly always nothing has changed: compare in C what holds thousands of names.
        if len(old) == len(content) and all(map(is_, content.values(), map(old.get, content))):
            continue
        for key in old.keys() | content.keys():
            value = content.get(key)
            if value is old.get(key) or isinstance(value, ModuleType):  # imported submodules
                continue
            # A module that the plugin itself imported was not seen before: there, only what is defined
            # in the plugin's package can be told to be replaced.
            if callable(old.get(key)) or _is_defined_in(value, package):
                found[f"{name}.{key}"] = value
    return found


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
