"""Find a plugin by whatever name its author has for it."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points

from stackkit.candidates import GROUP
from stackkit.errors import UsageError


def find(name: str) -> list[EntryPoint]:
    """The plugins that a plugin's, a module's or a distribution's name means, in that order.

    A module that no installed distribution declares can be checked too, before it is packaged.
    """
    installed = sorted(entry_points(group=GROUP), key=lambda point: point.name)
    for matches in (_is_plugin, _is_module, _is_distribution):
        if found := [point for point in installed if matches(point, name)]:
            return found
    if _is_importable(name):
        return [EntryPoint(name=name.rpartition(".")[2], value=name, group=GROUP)]
    known = ", ".join(point.name for point in installed) or "none"
    raise UsageError(
        f"no plugin, module or distribution is called {name!r}; is it installed? plugins here: {known}"
    )


def _is_plugin(point: EntryPoint, name: str) -> bool:
    return point.name == name


def _is_module(point: EntryPoint, name: str) -> bool:
    return point.value == name


def _is_distribution(point: EntryPoint, name: str) -> bool:
    return point.dist is not None and _normal(point.dist.name or "") == _normal(name)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _is_importable(name: str) -> bool:
    parts: Sequence[str] = name.split(".")
    if not all(part.isidentifier() for part in parts):
        return False
    try:
        return importlib.util.find_spec(name) is not None
    except ImportError:
        return False
