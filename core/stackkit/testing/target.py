"""A plugin that can be met alone, in this process and in another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from typing import Any

from stackkit.host.discovery import GROUP
from stackkit.host.host import Host, load_host


@dataclass(frozen=True, kw_only=True)
class Target:
    """An entry point, or that of nobody for a module that is not installed and for a single file."""

    point: EntryPoint
    file: str = ""

    @property
    def name(self) -> str:
        """The plugin's name."""
        return self.point.name

    @property
    def module(self) -> str:
        """The module that answers for it."""
        return self.point.value.partition(":")[0].strip()

    def load(self) -> Host:
        """A host that has met no other plugin."""
        if self.file:
            return load_host([], environ={"STACKKIT_PLUGIN_FILES": self.file})
        return load_host([self.point], environ={})

    def words(self) -> dict[str, Any]:
        """What JSON can hold of it, for `in_words`."""
        return {"plugin": self.point.name, "value": self.point.value, "file": self.file}


def target(name: str, value: str, file: str = "") -> Target:
    """A plugin that no distribution declares."""
    return Target(point=EntryPoint(name=name, value=value, group=GROUP), file=file)


def in_words(words: Mapping[str, Any]) -> Target:
    """The target that another process names."""
    return target(words["plugin"], words["value"], words["file"])
