"""Modules are everybody's: functions that a plugin replaces in them, and modules that it replaces."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.machinery import PathFinder
from operator import is_
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from stackkit.host.guard_pieces import Undo

CODE = (FunctionType, BuiltinFunctionType, type)
"""What nobody replaces in a module but to change what others do; all else may be a cache."""

MENDED = frozenset({"typing"})
"""Modules that libraries mend for everybody when they are imported, as typing_extensions does."""


def modules(package: str) -> Undo:
    """Note all modules but those of `package`"""
    before = {name: module for name, module in sys.modules.items() if not _is_in(name, package)}
    contents = {
        name: (module, dict(_content(module)))
        for name, module in before.items()
        if isinstance(module, ModuleType) and name not in MENDED
    }

    def undo() -> list[str]:
        gone = [name for name, module in before.items() if sys.modules.get(name, package) is not module]
        sys.modules.update({name: before[name] for name in gone})
        fakes = [name for name in sys.modules.keys() - before if _is_fake(name, package)]
        for name in fakes:
            del sys.modules[name]
        return [f"sys.modules[{name!r}]" for name in sorted([*gone, *fakes])] + [
            f"{name}.{function}"
            for name, (module, content) in contents.items()
            for function in _put_back(_content(module), content)
        ]

    return undo


def planted(package: str) -> list[str]:
    """What cannot be put back: a package's functions in modules that came with it."""
    found = [
        f"{name}.{function}"
        for name, module in list(sys.modules.items())
        if isinstance(module, ModuleType) and not _is_in(name, package)
        for function, value in list(_content(module).items())
        if type(value) is FunctionType and _is_in(str(value.__module__), package)
    ]
    return [f"replaced {', '.join(sorted(found))} for everybody"] if found else []


def _put_back(now: dict[str, Any], before: Mapping[str, Any]) -> list[str]:
    if all(map(is_, before.values(), map(now.get, before))):
        return []
    changed = [
        name
        for name, value in before.items()
        if isinstance(value, CODE)
        and now.get(name) is not value
        and not isinstance(now.get(name), ModuleType)  # importing a submodule does that
    ]
    now.update({name: before[name] for name in changed})
    return changed


def _content(module: ModuleType) -> dict[str, Any]:
    """A module's dictionary, without a look at the module: that would load a lazy one."""
    content: dict[str, Any] = object.__getattribute__(module, "__dict__")
    return content


def _spec(module: object) -> object:
    return _content(module).get("__spec__") if isinstance(module, ModuleType) else None


def _is_in(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def _is_fake(name: str, package: str) -> bool:
    """Whether a new module stands where another one would have been imported."""
    if "." in name or _is_in(name, package) or _spec(sys.modules[name]) is not None:
        return False
    return PathFinder.find_spec(name) is not None
