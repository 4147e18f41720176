"""A component chosen and its options settled: made into an object when it is needed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from stackkit.api.errors import PluginError, StackkitError, UsageError, blaming, plain
from stackkit.api.specs import ComponentSpec, DatasetSpec, Kind, Option, OptionValue, load_text
from stackkit.host.discovery import OWN_DISTRIBUTION
from stackkit.host.option_syntax import unparse
from stackkit.host.requirements import missing_requirements
from stackkit.host.signatures import contradiction
from stackkit.host.timeout import plugin_seconds, time_limit

MACHINE = ("device", "threads")
"""Options of backbones that say how this machine is used, and change no feature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A spec and where it came from; `code` is a digest if its plugin is a single file, else "".

    `undone` tells what its import changed for everybody and no longer is so, or "".
    """

    spec: ComponentSpec
    plugin: str
    distribution: str
    version: str
    code: str = ""
    undone: str = field(default="", compare=False, repr=False)

    @property
    def kind(self) -> Kind:
        """The component's kind."""
        return self.spec.kind

    @property
    def qualified_name(self) -> str:
        """Text "plugin/name", unique among all components of a kind."""
        return f"{self.plugin}/{self.spec.name}"

    @property
    def is_own(self) -> bool:
        """Whether stackkit itself ships it."""
        return self.distribution == OWN_DISTRIBUTION


@dataclass(frozen=True, kw_only=True)
class ConfiguredComponent:
    """A component with a value for each of its options: what the user asked for, resolved.

    `unadorned` holds what the bare name means here where that is not the declared default;
    of it, the options in MACHINE are in no text, since they change no figure.
    `remarks` are lines for whoever gave the options, such as that one of them is deprecated.
    """

    component: Component
    options: Mapping[str, OptionValue]
    name: str
    unadorned: Mapping[str, OptionValue] = field(default_factory=dict)
    remarks: tuple[str, ...] = field(default=(), compare=False)

    @cached_property
    def text(self) -> str:
        """Canonical text: the name and the options that differ from their defaults."""
        changed = {
            option.name: self.options[option.name]
            for option in self.component.spec.options
            if self._is_changed(option)
        }
        return unparse(self.name, changed)

    def _is_changed(self, option: Option) -> bool:
        value = self.options[option.name]
        bare = self.unadorned.get(option.name, option.default)
        return value != bare or (value != option.default and option.name not in MACHINE)

    def create(self) -> Any:
        """Import the component's code and make the object; raises PluginError or StackkitError."""
        self._require()
        return _call(self.component, "factory", self.options)

    def blamed(self) -> AbstractContextManager[None]:
        """Whatever the component's code raises in the block becomes an error that names it."""
        return _blaming(self.component, "failed")

    def fetch(self, **context: Any) -> Any:
        """Run a dataset's download; raises UsageError if it has none."""
        spec = self.component.spec
        if not isinstance(spec, DatasetSpec) or not spec.fetch:
            raise UsageError(f"{self.name} has nothing to download")
        self._require()
        return _call(self.component, "fetch", {**self.options, **context})

    def unavailable_reason(self) -> str | None:
        """What stands between this choice and running offline now, or None."""
        if missing := missing_requirements(self.component.spec):
            return missing
        spec = self.component.spec
        if not spec.unavailable_reason:
            return None
        try:
            return self._answered()
        except StackkitError as error:  # a listing asks every component; one must not end it
            return plain(str(error))

    def _answered(self) -> str | None:
        answer = _call(self.component, "unavailable_reason", self.options, plugin_seconds(os.environ))
        with _blaming(self.component, "cannot be used"):
            if not isinstance(answer, str | None):
                raise TypeError(
                    f"unavailable_reason answered {type(answer).__name__}; text or None is wanted"
                )
        return answer and plain(answer)

    def _require(self) -> None:
        if missing := missing_requirements(self.component.spec):
            raise PluginError(f"{self.name} {missing}")


def describe(choices: Sequence[ConfiguredComponent]) -> list[dict[str, Any]]:
    """Provenance of components: qualified name, options, distribution, version."""
    return [
        {
            "kind": choice.component.kind,
            "name": choice.component.qualified_name,
            "label": choice.text,
            "options": dict(choice.options),
            "distribution": choice.component.distribution,
            "version": choice.component.version,
        }
        for choice in choices
    ]


def _call(component: Component, role: str, keywords: Mapping[str, Any], seconds: float = 0) -> Any:
    """Call what the spec's field `role` names; whatever a stranger raises becomes a StackkitError.

    Each of import and call may take so many seconds; 0: as long as it likes.
    """
    whose = f"{component.qualified_name} ({component.distribution})"
    with _blaming(component, "cannot be imported"), time_limit(whose, seconds):
        function = load_text(getattr(component.spec, role))
    with _blaming(component, "cannot be used"), time_limit(whose, seconds):
        try:
            return function(**keywords)
        except TypeError as error:
            if not (said := contradiction(component.spec, role, function, keywords)):
                raise
            raise PluginError(f"{_named(component)} cannot be used: {said}") from error


def _blaming(component: Component, what: str) -> AbstractContextManager[None]:
    hint = (
        f"; its import {component.undone}, which its factory can do for itself"
        if component.undone
        else ""
    )
    return blaming(lambda text: PluginError(f"{_named(component)} {what}: {text}{hint}"))


def _named(component: Component) -> str:
    return f"{component.qualified_name} ({component.distribution} {component.version})"
