"""A component with a value for each of its options."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from stackkit.api.errors import PluginError, StackkitError, UsageError, plain
from stackkit.api.option import Option, OptionValue
from stackkit.api.specs import DatasetSpec
from stackkit.api.state import State
from stackkit.host.component import Component
from stackkit.host.component_code import blaming_component, call_code
from stackkit.host.host_options import BOXES, RESIZE, VIEWS_OF_BACKBONE, finds_boxes
from stackkit.host.option_syntax import unparse
from stackkit.host.requirements import missing_requirements
from stackkit.host.states import check_restored, check_state
from stackkit.host.timeout import plugin_seconds

MACHINE = ("device", "threads")
"""Options of backbones that say how to use this machine and do not change features."""


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
    weights_file : Path or None
        A copy of the weights of a backbone, which came inside a model; see `BackboneSpec.weights_file`.

    """

    component: Component
    options: Mapping[str, OptionValue]
    name: str
    host_options: Mapping[str, OptionValue] = field(default_factory=dict)
    boxes: ConfiguredComponent | None = None
    run_defaults: Mapping[str, OptionValue] = field(default_factory=dict)
    remarks: tuple[str, ...] = field(default=(), compare=False)
    weights_file: Path | None = field(default=None, compare=False)

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
        views = self.host_option(VIEWS_OF_BACKBONE)
        assert isinstance(views, tuple)
        return views

    @property
    def resize(self) -> str:
        """How images become squares for a backbone, see `host_options`."""
        return str(self.host_option(RESIZE))

    @property
    def gives_boxes(self) -> bool:
        """Whether the features of this backbone are boxes, by its option `pooling`."""
        return finds_boxes(self.component.spec) and self.options["pooling"] == BOXES

    @property
    def on_whole_images(self) -> ConfiguredComponent:
        """The same backbone without views."""
        kept = {name: self.host_options[name] for name in self.host_options if name == RESIZE.name}
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
            declared = call_code(self.component, "process_state", self.options)
            with blaming_component(self.component, "cannot be used"):
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
        keywords: dict[str, Any] = dict(self.options)
        if self.weights_file:
            keywords["weights_file"] = self.weights_file
        return call_code(self.component, "factory", keywords, label=self._label)

    def blamed(self) -> AbstractContextManager[None]:
        """Return a context in which exceptions of the component's code become a PluginError."""
        return blaming_component(self.component, "failed", self._label)

    @property
    def portable(self) -> bool:
        """Whether a fitted classifier of this component can be saved and restored without code."""
        return bool(getattr(self.component.spec, "state", ""))

    def state_of(self, fitted: Any, **context: Any) -> State:
        """Return the state of a classifier that this component made and that is fitted.

        Parameters
        ----------
        fitted : object
            The fitted learner or aggregator.
        **context
            `learner_state` for an aggregator with `fit_on` "features": takes a fitted learner, returns
            its State.

        Raises
        ------
        UsageError
            If the component is not portable.
        PluginError
            If its code fails, or returns what cannot be saved.

        """
        self._require_portable()
        state = call_code(self.component, "state", context, label=self._label, first=(fitted,))
        with blaming_component(self.component, "cannot be saved", self._label):
            return check_state(state)

    def restored(self, state: State, *, n_classes: int | None = None, **context: Any) -> Any:
        """Return a fitted classifier from its state, which may come from a damaged or hostile file.

        Parameters
        ----------
        state : State
            What `state_of` returned.
        n_classes : int or None
            Number of classes of the model, to check labels with.
        **context
            `restore_learner` for an aggregator with `fit_on` "features": takes the State of a learner,
            returns the learner.

        Raises
        ------
        UsageError
            If the component is not portable.
        PluginError
            If its code fails, such as for a state with other shapes.

        """
        self._require_portable()
        self._require()
        keywords = {**self.options, **context}
        with blaming_component(self.component, "cannot be restored", self._label):
            check_state(state)
            fitted = call_code(self.component, "restore", keywords, label=self._label, first=(state,))
            probabilities = bool(getattr(self.component.spec, "probabilities", False))
            check_restored(fitted, self.component.kind, probabilities=probabilities, n_classes=n_classes)
        return fitted

    def _require_portable(self) -> None:
        if not self.portable:
            raise UsageError(f"{self.name} has no state that can be saved without code")

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
        return call_code(self.component, "fetch", {**self.options, **context}, label=self._label)

    def unavailable_reason(self) -> str | None:
        """Return why the component cannot run offline now and what to do about it, or None."""
        reason = self._own_unavailable_reason()
        return self.boxes.unavailable_reason() if self.boxes and not reason else reason

    def _own_unavailable_reason(self) -> str | None:
        if missing := missing_requirements(self.component.spec):
            return missing
        if not self.component.spec.unavailable_reason or self.weights_file:
            return None
        seconds = 0 if self.component.is_own else plugin_seconds(os.environ)
        try:
            reason = call_code(self.component, "unavailable_reason", self.options, seconds)
            with blaming_component(self.component, "cannot be used"):
                if not isinstance(reason, str | None):
                    got = type(reason).__name__
                    raise TypeError(f"unavailable_reason must return str or None, got {got}")
        except StackkitError as error:  # a listing asks all components, and must not end at one
            return plain(str(error))
        return reason and plain(reason)

    def _require(self) -> None:
        if missing := missing_requirements(self.component.spec):
            raise PluginError(f"{self.name} {missing}")


def first_unavailable(configured: Iterable[ConfiguredComponent]) -> str | None:
    """Return the name of the first component that cannot run offline now and why, or None."""
    reasons = ((each.name, each.unavailable_reason()) for each in configured)
    return next((f"{name}: {reason}" for name, reason in reasons if reason), None)


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
