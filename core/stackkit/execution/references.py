"""Name components so that a worker finds the same ones in the plugins that are installed there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from stackkit.api.errors import PluginError, UsageError
from stackkit.api.specs import Kind
from stackkit.host.configured_component import MACHINE, ConfiguredComponent
from stackkit.host.discovery import DISABLED, SELECTED
from stackkit.host.host import Host, load_host
from stackkit.host.registry import Registry
from stackkit.host.single_file import forget_other_files, named_files
from stackkit.utils.versions import dependency_versions, source_digest

_hosts: dict[tuple[tuple[str, str], ...], Host] = {}
"""The plugins of this process, by the settings that they were loaded with; one entry at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentReference:
    """A component by name and options: it can be pickled, and resolved wherever its plugin is.

    Parameters
    ----------
    kind : str
        "dataset", "backbone", "learner" or "aggregator".
    text : str
        Qualified name and options.
    seed : int
        Seed of the run.
    machine : tuple of (str, str)
        Device and threads of the run, as in `Registry.machine`.
    distribution, version : str
        Where the component comes from.
    is_own : bool
        Whether it is part of stackkit.
    weights_file, weights_file_of_boxes : str
        Paths of weights that came inside a model, see `ConfiguredComponent`; "" for none. A worker that
        does not see such a file takes its own one: its features must have the same key.

    """

    kind: Kind
    text: str
    seed: int
    machine: tuple[tuple[str, str], ...]
    distribution: str
    version: str
    is_own: bool
    weights_file: str = ""
    weights_file_of_boxes: str = ""

    @classmethod
    def of(cls, component: ConfiguredComponent) -> ComponentReference:
        """Return what names a component."""
        source, run = component.component, component.run_defaults
        return cls(
            kind=source.kind,
            # The plain name may be ambiguous where other plugins are installed.
            text=replace(component, name=source.qualified_name).text,
            seed=int(str(run.get("seed", 0))),
            machine=tuple((name, str(run[name])) for name in MACHINE if name in run),
            distribution=source.distribution,
            version=source.version,
            is_own=source.is_own,
            weights_file=str(component.weights_file or ""),
            weights_file_of_boxes=str((component.boxes and component.boxes.weights_file) or ""),
        )

    def resolve_on_worker(self, settings: Mapping[str, str]) -> ConfiguredComponent:
        """Return the component among the plugins of this worker; raises PluginError as `resolve` does.

        A single file may have been edited since this process loaded it. An installed plugin may not:
        Python would go on with the modules that it has imported.
        """
        try:
            return self.resolve(worker_host(settings))
        except PluginError:
            if os.sep not in self.distribution:
                raise
            return self.resolve(worker_host(settings, again=True))

    def resolve(self, host: Host) -> ConfiguredComponent:
        """Return the component among the plugins of a host.

        Raises
        ------
        PluginError
            If its plugin is not there, does not load, or has another version.

        """
        registry = Registry(host=host, seed=self.seed, machine=dict(self.machine))
        try:
            found = registry.one(self.kind, self.text)
        except (UsageError, PluginError) as error:
            raise PluginError(f"{error}; {self._remedy}") from error
        source = found.component
        if (source.distribution, source.version) != (self.distribution, self.version):
            raise PluginError(
                f"{self.kind} {source.qualified_name} comes from {source.distribution} "
                f"{source.version}, not from {self.distribution} {self.version}; {self._remedy}"
            )
        boxes = found.boxes and _with_weights(found.boxes, self.weights_file_of_boxes)
        return _with_weights(replace(found, boxes=boxes), self.weights_file)

    @property
    def _remedy(self) -> str:
        if os.sep in self.distribution:
            return f"{self.distribution} must be the same file there"
        extra = " and its dependencies" if self.is_own else ""
        return f"install it{extra} there: pip install {self.distribution}=={self.version}"


def _with_weights(component: ConfiguredComponent, file: str) -> ConfiguredComponent:
    path = Path(file)
    return replace(component, weights_file=path) if file and path.is_file() else component


def host_settings() -> dict[str, str]:
    """Return the environment variables that decide which plugins this process loads."""
    found = {name: os.environ[name] for name in (SELECTED, DISABLED) if name in os.environ}
    if files := named_files(os.environ):  # absolute paths: a worker may have another current folder
        found["STACKKIT_PLUGIN_FILES"] = os.pathsep.join(map(str, files))
    if folder := os.environ.get("STACKKIT_PLUGINS_DIR"):
        found["STACKKIT_PLUGINS_DIR"] = str(Path(folder).absolute())
    return found


def worker_host(settings: Mapping[str, str], *, again: bool = False) -> Host:
    """Return the plugins of the worker that this process is, loaded once.

    Parameters
    ----------
    settings : mapping of str to str
        What `host_settings` returned in the process that hands out the tasks.
    again : bool
        Load them again, because a single file may have changed.

    """
    key = tuple(sorted(settings.items()))
    if again or key not in _hosts:
        loaded = {plugin.distribution for host in _hosts.values() for plugin in host.plugins}
        _hosts.clear()
        environ = {**os.environ, **settings}
        # A worker of a cluster meets the plugins of one command after another.
        forget_other_files(environ, loaded)
        _hosts[key] = load_host(environ=environ)
        _note_code(_hosts[key])
    return _hosts[key]


def _note_code(host: Host) -> None:
    """Read now what tells code and versions apart: both are kept, as modules are once they are imported.

    If files were exchanged while a worker runs, it would otherwise claim to have what is in them.
    """
    source_digest("stackkit")
    for component in host.components:
        dependency_versions(component.distribution)
        if not component.code:  # which tells a single file
            source_digest(component.spec.factory.partition(":")[0])
