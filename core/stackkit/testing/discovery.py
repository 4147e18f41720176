"""Find the plugin to test by any of its names, and load it without any other plugin."""

from __future__ import annotations

import importlib.util
import os
import re
from dataclasses import dataclass
from importlib.metadata import (
    EntryPoint,
    PackageNotFoundError,
    distribution,
    entry_points,
    packages_distributions,
)
from pathlib import Path

from stackkit.api.errors import UsageError
from stackkit.host.discovery import GROUP
from stackkit.host.host import Host, load_host
from stackkit.host.single_file import plugin_files


@dataclass(frozen=True, kw_only=True)
class Target:
    """A plugin to test; a module or a single file gets an entry point without a distribution."""

    point: EntryPoint
    file: str = ""

    @property
    def name(self) -> str:
        """The plugin's name."""
        return self.point.name

    @property
    def module(self) -> str:
        """The module that the entry point names."""
        return self.point.value.partition(":")[0].strip()

    def load(self) -> Host:
        """Return a host with this plugin only."""
        if self.file:
            return load_host([], environ={"STACKKIT_PLUGIN_FILES": self.file})
        return load_host([self.point], environ={})


def target_of(name: str, value: str, file: str = "") -> Target:
    """Return a plugin that no distribution declares."""
    return Target(point=EntryPoint(name=name, value=value, group=GROUP), file=file)


def find(name: str) -> list[Target]:
    """Return the plugins called `name`: by file, plugin, module or distribution name, in this order.

    A file is named by its path, or by its stem if STACKKIT_PLUGIN_FILES or STACKKIT_PLUGINS_DIR
    includes it. A module needs no distribution, so that it can be tested before it is packaged.
    Raises UsageError if nothing has this name.
    """
    if files := _files(name):
        return files
    installed = sorted(entry_points(group=GROUP), key=lambda point: point.name)
    for found in (
        [point for point in installed if point.name == name],
        [point for point in installed if name in (point.value, point.value.partition(":")[0].strip())],
        [point for point in installed if _is_distribution(point, name)],
    ):
        if found:
            return [Target(point=point) for point in found]
    _refuse_without_entry_point(name)
    if _is_importable(name):
        return [target_of(name.rpartition(".")[2], name)]
    known = ", ".join(point.name for point in installed) or "none"
    raise UsageError(
        f"no plugin, module or distribution is called {name!r}; is it installed? Known plugins: {known}"
    )


def _files(name: str) -> list[Target]:
    if name.endswith(".py") or os.sep in name:
        if not Path(name).is_file():
            raise UsageError(f"there is no file {name}; expected a plugin's file or its name")
        return [_single(Path(name))]
    named, in_folder = plugin_files(os.environ)
    return [_single(file.path) for file in (*named, *in_folder) if file.path.stem == name][:1]


def _single(path: Path) -> Target:
    return target_of(path.stem, path.stem, str(path.absolute()))


def _is_distribution(point: EntryPoint, name: str) -> bool:
    return point.dist is not None and _normal(point.dist.name or "") == _normal(name)


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _is_importable(name: str) -> bool:
    if not all(part.isidentifier() for part in name.split(".")):
        return False
    try:
        return importlib.util.find_spec(name) is not None
    except ImportError:
        return False


def _refuse_without_entry_point(name: str) -> None:
    # Its checks would pass, and no command would ever find it.
    owners = [*packages_distributions().get(name.partition(".")[0], ()), name]
    for owner in dict.fromkeys(owners):  # an editable install may be known by its name only
        try:
            groups = sorted({point.group for point in distribution(owner).entry_points})
        except (PackageNotFoundError, ValueError):
            continue
        if GROUP not in groups:
            raise UsageError(
                f"{owner} is installed but has no entry point in the group {GROUP!r} (its groups: "
                f"{', '.join(map(repr, groups)) or 'none'}); add [project.entry-points.{GROUP}] to its "
                "pyproject.toml and install it again"
            )
