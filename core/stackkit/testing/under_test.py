"""What the checks run on: an installed plugin, or a component made with the given options."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from stackkit.api.errors import PluginError, StackkitError
from stackkit.api.option import OptionValue
from stackkit.host.component import Component
from stackkit.host.configured_component import ConfiguredComponent
from stackkit.host.host import Host
from stackkit.testing.check import CheckFailedError, skip
from stackkit.testing.discovery import Target

PROCESS_LIMIT_S = 300.0
"""Far more than any import takes: a child process that needs more hangs."""


@dataclass(frozen=True, kw_only=True)
class PluginUnderTest:
    """A plugin."""

    target: Target

    @cached_property
    def host(self) -> Host:
        """A host with this plugin only."""
        return self.target.load()

    @cached_property
    def seen(self) -> dict[str, Any]:
        """What a new process observed while it imported the plugin and called its hooks twice."""
        seen: dict[str, Any] = ask_process(self.target, {"ask": "hooks"})
        return seen


@dataclass(frozen=True, kw_only=True)
class ComponentUnderTest:
    """A component with the options and image files that its author gives for testing."""

    target: Target
    component: Component
    given: Mapping[str, OptionValue] = field(default_factory=dict)
    images: tuple[Path, ...] = ()

    @property
    def name(self) -> str:
        """The component's name."""
        return self.component.spec.name

    def configured(self, **changed: OptionValue) -> ConfiguredComponent:
        """Return the component with its defaults, the given options, and `changed` on top."""
        defaults = {option.name: option.default for option in self.component.spec.options}
        return ConfiguredComponent(
            component=self.component, options={**defaults, **self.given, **changed}, name=self.name
        )

    def create(self, **changed: OptionValue) -> Any:
        """Make a new object as the host does; raises StackkitError."""
        return self.configured(**changed).create()

    def declares(self, option: str) -> bool:
        """Return whether the component has an option of this name."""
        return any(each.name == option for each in self.component.spec.options)

    @cached_property
    def outcome(self) -> Any:
        """The first object, or the StackkitError that making it raised."""
        try:
            return self.create()
        except StackkitError as error:
            return error

    @cached_property
    def made(self) -> Any:
        """The first object. Reading it skips the check if the component cannot be made here."""
        if self.configured().unavailable_reason() or isinstance(self.outcome, StackkitError):
            skip("the component cannot be made, see creation")
        return self.outcome

    def request(self, ask: str, **more: Any) -> dict[str, Any]:
        """Return a request to `ask_process` about this component."""
        options = dict(self.configured().options)
        return {"ask": ask, "kind": self.component.kind, "name": self.name, "options": options, **more}


def component_of(request: Mapping[str, Any], target: Target) -> ComponentUnderTest:
    """Return the component that a request names, in the child process."""
    (component,) = (
        each
        for each in target.load().components
        if (each.kind, each.spec.name) == (request["kind"], request["name"])
    )
    return ComponentUnderTest(target=target, component=component, given=request["options"])


def is_crash(error: StackkitError) -> bool:
    """Return whether the component raised anything but one of stackkit's own errors."""
    return isinstance(error, PluginError) and error.__cause__ is not None


def ask_process(
    target: Target, request: Mapping[str, Any], environ: Mapping[str, str] | None = None
) -> Any:
    """Return the answer of `stackkit.testing.child_process`, run in a new process.

    The request says what to do there, see `child_process.answer`; `environ` is added to the environment
    of this process. Fails the check if the process ends without an answer, or does not end.
    """
    whole = {**request, "target": (target.point.name, target.point.value, target.file)}
    with TemporaryDirectory(prefix="stackkit-check-") as folder:
        (Path(folder) / "request").write_bytes(pickle.dumps(whole))
        # The child must find what this process finds, also where a test or pytest extended sys.path.
        search = os.pathsep.join(path or "." for path in sys.path)
        try:
            # -B: bytecode that Python writes would be taken for files that the plugin writes.
            done = subprocess.run(  # noqa: S603 - our own interpreter and our own module
                [sys.executable, "-B", "-m", "stackkit.testing.child_process", folder],
                env={**os.environ, "PYTHONPATH": search, **(environ or {})},
                capture_output=True,
                text=True,
                timeout=PROCESS_LIMIT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            found = f"a new process gave no answer within {PROCESS_LIMIT_S:g} s"
            raise CheckFailedError(found) from None
        answer = Path(folder) / "answer"
        if not answer.exists():
            last = (done.stderr.strip().splitlines() or ["nothing on stderr"])[-1]
            raise CheckFailedError(f"a new process ended with exit code {done.returncode}: {last}")
        return pickle.loads(answer.read_bytes())  # noqa: S301 - our own process wrote it
