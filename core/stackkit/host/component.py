"""A component of a plugin, and one with a value for each of its options."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from stackkit.api.errors import PluginError, StackkitError, UsageError, blaming, plain
from stackkit.api.option import Option, OptionValue
from stackkit.api.specs import ComponentSpec, DatasetSpec, Kind, load_text
from stackkit.host.discovery import OWN_DISTRIBUTION
from stackkit.host.host_options import host_options
from stackkit.host.option_syntax import unparse
from stackkit.host.requirements import missing_requirements
from stackkit.host.timeout import plugin_seconds, time_limit

MACHINE = ("device", "threads")
"""Options of backbones that say how to use this machine and do not change features."""


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


@dataclass(frozen=True, kw_only=True)
class ConfiguredComponent:
    """A component with a value for each of its options, ready to be created.

    Parameters
    ----------
    component : Component
        What is configured.
    options : mapping of str to value
        All options that the spec declares; what the component's code receives.
    name : str
        The shortest name that is not ambiguous.
    host_options : mapping of str to value
        The options that stackkit adds and handles itself, if they differ from their defaults.
    boxes : ConfiguredComponent or None
        The backbone whose features are the boxes for `views=attention`.
    run_defaults : mapping of str to value
        Defaults of this run (seed, device, threads) that replace the declared ones.
    remarks : tuple of str
        Notes for the user, for example that an option is deprecated.

    """

    component: Component
    options: Mapping[str, OptionValue]
    name: str
    host_options: Mapping[str, OptionValue] = field(default_factory=dict)
    boxes: ConfiguredComponent | None = None
    run_defaults: Mapping[str, OptionValue] = field(default_factory=dict)
    remarks: tuple[str, ...] = field(default=(), compare=False)

    def host_option(self, option: Option) -> OptionValue:
        """Return the value of one of the `HOST_OPTIONS` of the component's kind."""
        return self.host_options.get(option.name, option.default)

    @cached_property
    def text(self) -> str:
        """Canonical text: the name and the options that differ from their defaults.

        A seed that the run sets is part of the text, because stored features depend on it; a device or a
        number of threads that the run sets is not.
        """
        return self._unparsed(
            lambda option: (
                self._differs_from_run(option)
                or (self.options[option.name] != option.default and option.name not in MACHINE)
            )
        )

    @cached_property
    def label(self) -> str:
        """Name in tables and reports: the text without what the run sets, so no seed renames it."""
        return self._unparsed(self._differs_from_run)

    def _differs_from_run(self, option: Option) -> bool:
        return self.options[option.name] != self.run_defaults.get(option.name, option.default)

    def _unparsed(self, shown: Callable[[Option], bool]) -> str:
        options = self.component.spec.options
        own = {each.name: self.options[each.name] for each in options if shown(each)}
        return unparse(self.name, own | dict(self.host_options))

    @property
    def views(self) -> tuple[str, ...]:
        """What a backbone sees besides whole images, see `host_options`."""
        views = self.host_options.get("views", ())
        assert isinstance(views, tuple)
        return views

    @property
    def resize(self) -> str:
        """How images become squares for a backbone, see `host_options`."""
        return str(self.host_options.get("resize", "squash"))

    @property
    def on_whole_images(self) -> ConfiguredComponent:
        """The same backbone without views."""
        kept = {name: self.host_options[name] for name in self.host_options if name == "resize"}
        return replace(self, host_options=kept, boxes=None)

    @cached_property
    def process_state(self) -> frozenset[str] | None:
        """Process-wide state that fits of this learner or aggregator use; None means any.

        Raises
        ------
        PluginError
            If the function that the spec names fails or returns something else than texts or None.

        """
        declared = getattr(self.component.spec, "process_state", None)
        if isinstance(declared, str):
            declared = _call(self.component, "process_state", self.options)
            with _blaming(self.component, "cannot be used"):
                if declared is not None and not (
                    isinstance(declared, tuple) and all(isinstance(name, str) for name in declared)
                ):
                    raise TypeError(
                        f"process_state must return a tuple of str or None, got {declared!r}"
                    )
        return None if declared is None else frozenset(declared)

    @property
    def _label(self) -> str:
        return f"{self.component.kind} {self.text}"

    def create(self) -> Any:
        """Import the component's factory and call it with the options.

        Raises
        ------
        PluginError
            If a requirement is missing, or the factory fails.
        StackkitError
            As the factory raises it.

        """
        self._require()
        return _call(self.component, "factory", self.options, label=self._label)

    def blamed(self) -> AbstractContextManager[None]:
        """Return a context in which exceptions of the component's code become a PluginError."""
        return _blaming(self.component, "failed", self._label)

    def fetch(self, **context: Any) -> Any:
        """Call a dataset's download with its options and `context`; return the folder.

        Raises
        ------
        UsageError
            If the component has no download.
        PluginError
            If a requirement is missing, or the download fails unexpectedly.

        """
        spec = self.component.spec
        if not isinstance(spec, DatasetSpec) or not spec.fetch:
            raise UsageError(f"{self.name} has nothing to download")
        self._require()
        return _call(self.component, "fetch", {**self.options, **context}, label=self._label)

    def unavailable_reason(self) -> str | None:
        """Return why the component cannot run offline now and what to do about it, or None."""
        reason = self._own_unavailable_reason()
        return self.boxes.unavailable_reason() if self.boxes and not reason else reason

    def _own_unavailable_reason(self) -> str | None:
        if missing := missing_requirements(self.component.spec):
            return missing
        if not self.component.spec.unavailable_reason:
            return None
        seconds = 0 if self.component.is_own else plugin_seconds(os.environ)
        try:
            reason = _call(self.component, "unavailable_reason", self.options, seconds)
            with _blaming(self.component, "cannot be used"):
                if not isinstance(reason, str | None):
                    got = type(reason).__name__
                    raise TypeError(f"unavailable_reason must return str or None, got {got}")
        except StackkitError as error:  # a listing asks all components, and must not end at one
            return plain(str(error))
        return reason and plain(reason)

    def _require(self) -> None:
        if missing := missing_requirements(self.component.spec):
            raise PluginError(f"{self.name} {missing}")


def describe(configured: Sequence[ConfiguredComponent]) -> list[dict[str, Any]]:
    """Return the provenance of components: qualified name, options, distribution, version."""
    return [
        {
            "kind": each.component.kind,
            "name": each.component.qualified_name,
            "label": each.label,
            "options": {**each.options, **each.host_options},
            "distribution": each.component.distribution,
            "version": each.component.version,
        }
        for each in configured
    ]


def _call(
    component: Component, role: str, keywords: Mapping[str, Any], seconds: float = 0, label: str = ""
) -> Any:
    """Call the function that the spec's field `role` names; exceptions become StackkitErrors.

    `seconds` limits the import and the call, each; 0 for no limit. `label` names the component in
    errors that its code raises on purpose.
    """
    culprit = f"{component.qualified_name} ({component.distribution})"
    with _blaming(component, "cannot be imported", label), time_limit(culprit, seconds):
        function = load_text(getattr(component.spec, role))
    with _blaming(component, "cannot be used", label), time_limit(culprit, seconds):
        try:
            return function(**keywords)
        except TypeError as error:
            # Only now: a signature may declare less than the function takes (functools.wraps, C).
            if not (mismatch := _mismatch(component.spec, role, function, keywords)):
                raise
            raise PluginError(f"{_origin(component)} cannot be used: {mismatch}") from error


def _mismatch(
    spec: ComponentSpec, role: str, function: Callable[..., Any], keywords: Collection[str]
) -> str:
    """Say how the parameters of `function` and the options of its spec differ, or ""."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # functions written in C need not have a signature
        return ""
    named = [each for each in parameters if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]
    for each in named:
        if each.default is each.empty and each.name not in keywords:
            return (
                f"its {role} requires {each.name!r}, which is not an option of {spec.name}; "
                f"add Option(name={each.name!r}, ...) to its spec"
            )
    unknown = [key for key in keywords if key not in {each.name for each in named}]
    if not unknown or any(each.kind == each.VAR_KEYWORD for each in parameters):
        return ""
    what = ", ".join(map(repr, unknown))
    if {option.name for option in spec.options}.issuperset(unknown):
        return f"the {role} of {spec.name} does not accept {what}, declared as an option in its spec"
    return f"the {role} of {spec.name} must accept the keyword {what}"


def _blaming(component: Component, what: str, label: str = "") -> AbstractContextManager[None]:
    hint = ""
    if component.restored:
        names = ", ".join(component.restored)
        hint = (
            f"; the plugin's import changed {names}, which stackkit restored: "
            "make the change in the factory instead"
        )
    return blaming(lambda text: PluginError(f"{_origin(component)} {what}: {text}{hint}"), label)


def _origin(component: Component) -> str:
    return f"{component.qualified_name} ({component.distribution} {component.version})"
