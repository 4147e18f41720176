"""A component of a plugin: what it offers, and where it comes from."""

from __future__ import annotations

from dataclasses import dataclass, field

from stackkit.api.option import Option
from stackkit.api.specs import ComponentSpec, Kind
from stackkit.host.discovery import OWN_DISTRIBUTION
from stackkit.host.host_options import host_options


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """What a plugin offers, and where it comes from.

    Parameters
    ----------
    spec : ComponentSpec
        Name, options and factory.
    plugin, distribution, version : str
        As in the plugin's `PluginRecord`.
    code : str
        Digest of the plugin's content if it is a single file, else "".
    restored : tuple of str
        What the plugin's import changed in the process, such as "os.environ['A']", and stackkit
        restored. The component's code may depend on it.
    altered : str
        Digest of what plugins replaced in numerical libraries for this process, normally "". Results
        of every component may depend on it, so it is part of their keys.

    """

    spec: ComponentSpec
    plugin: str
    distribution: str
    version: str
    code: str = ""
    restored: tuple[str, ...] = field(default=(), compare=False, repr=False)
    altered: str = ""

    @property
    def kind(self) -> Kind:
        """The component's kind."""
        return self.spec.kind

    @property
    def options(self) -> tuple[Option, ...]:
        """What the user can set: the options of the spec, and those that stackkit adds."""
        return (*self.spec.options, *host_options(self.spec))

    @property
    def qualified_name(self) -> str:
        """Text "plugin/name", unique among all components of a kind."""
        return f"{self.plugin}/{self.spec.name}"

    @property
    def is_own(self) -> bool:
        """Whether it is part of stackkit."""
        return self.distribution == OWN_DISTRIBUTION
