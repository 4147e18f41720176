"""Find a plugin by whatever name its author has for it."""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Sequence
from importlib.metadata import EntryPoint, PackageNotFoundError, distribution, entry_points
from pathlib import Path

from stackkit.api.errors import UsageError
from stackkit.host.discovery import GROUP
from stackkit.host.single_file import plugin_files
from stackkit.testing.target import Target, target


def find(name: str) -> list[Target]:
    """The plugins that a file's, a plugin's, a module's or a distribution's name means, in that order.

    A file is named by its path, or by its stem if the user lets it in (STACKKIT_PLUGIN_FILES). A
    module that no installed distribution declares can be checked too, before it is packaged.
    """
    if files := _files(name):
        return files
    installed = sorted(entry_points(group=GROUP), key=lambda point: point.name)
    for matches in (_is_plugin, _is_module, _is_distribution):
        if found := [point for point in installed if matches(point, name)]:
            return [Target(point=point) for point in found]
    if _is_importable(name):
        return [target(name.rpartition(".")[2], name)]
    _refuse_without_plugin(name)
    known = ", ".join(point.name for point in installed) or "none"
    raise UsageError(
        f"no plugin, module or distribution is called {name!r}; is it installed? plugins here: {known}"
    )


def _refuse_without_plugin(name: str) -> None:
    """Say of a distribution that is there that it declares nothing."""
    try:
        groups = sorted({repr(point.group) for point in distribution(name).entry_points})
    except (PackageNotFoundError, ValueError):
        return
    raise UsageError(
        f"{name} is installed and has no entry point in the group {GROUP!r} (its groups: "
        f"{', '.join(groups) or 'none'}); its pyproject.toml lacks [project.entry-points.{GROUP}]"
    )


def _files(name: str) -> list[Target]:
    """The single file that is meant, if it is one."""
    if name.endswith(".py") or os.sep in name:
        if not Path(name).is_file():
            raise UsageError(f"there is no file {name}; a plugin's file or its name is wanted")
        return [_single(Path(name))]
    named, beside = plugin_files(os.environ)
    return [_single(file.path) for file in (*named, *beside) if file.path.stem == name][:1]


def _single(path: Path) -> Target:
    return target(path.stem, path.stem, str(path.absolute()))


def _is_plugin(point: EntryPoint, name: str) -> bool:
    return point.name == name


def _is_module(point: EntryPoint, name: str) -> bool:
    return name in (point.value, point.value.partition(":")[0].strip())


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
