"""What promises are checked on: a plugin as it is installed, and a component made with its options."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from stackkit.api.errors import PluginError, StackkitError
from stackkit.api.specs import Kind, OptionValue
from stackkit.host.component import Component, ConfiguredComponent
from stackkit.host.host import Host
from stackkit.testing.check import CheckFailedError, skip
from stackkit.testing.target import Target

PROBE_LIMIT_S = 300.0
"""Far more than any import takes; a process that needs more hangs."""


@dataclass(frozen=True, kw_only=True)
class PluginSubject:
    """A plugin."""

    target: Target

    @property
    def name(self) -> str:
        """The plugin's name."""
        return self.target.name

    @cached_property
    def host(self) -> Host:
        """A host that has met no other plugin."""
        return self.target.load()

    @cached_property
    def seen(self) -> dict[str, Any]:
        """What a new process saw while the plugin was imported and asked twice."""
        return probe(self.target, {"ask": "hooks"})

    @cached_property
    def seen_again(self) -> dict[str, Any]:
        """What another new process saw."""
        return probe(self.target, {"ask": "hooks"})


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A component, and the options and images that its author wants it to be tried with."""

    target: Target
    component: Component
    given: Mapping[str, OptionValue] = field(default_factory=dict)
    images: tuple[Path, ...] = ()

    @property
    def name(self) -> str:
        """The component's name."""
        return self.component.spec.name

    def choice(self, **changed: OptionValue) -> ConfiguredComponent:
        """The component with the given options, and others on top."""
        defaults = {option.name: option.default for option in self.component.spec.options}
        return ConfiguredComponent(
            component=self.component, options={**defaults, **self.given, **changed}, name=self.name
        )

    def create(self, **changed: OptionValue) -> Any:
        """A new object as the host makes it; raises StackkitError."""
        return self.choice(**changed).create()

    def declares(self, option: str) -> bool:
        """Whether the component has an option of that name."""
        return any(each.name == option for each in self.component.spec.options)

    @cached_property
    def outcome(self) -> Any:
        """The component's first object, or the StackkitError that came of making it."""
        try:
            return self.create()
        except StackkitError as error:
            return error

    @property
    def made(self) -> Any:
        """The component's first object; a promise about it is skipped if there is none."""
        if self.choice().unavailable_reason() or isinstance(self.outcome, StackkitError):
            skip("there is nothing to try it on, see creation")
        return self.outcome


def subject_of(kind: Kind, request: Mapping[str, Any], target: Target) -> Subject:
    """The component that a request to another process names."""
    (component,) = (
        each
        for each in target.load().components
        if each.kind == kind and each.spec.name == request["name"]
    )
    return Subject(target=target, component=component, given=request["options"])


def is_crash(error: StackkitError) -> bool:
    """Whether a component's code raised something else than one of stackkit's errors."""
    return isinstance(error, PluginError) and error.__cause__ is not None


def probe(
    target: Target,
    request: Mapping[str, Any],
    folder: Path | None = None,
    environ: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Ask `stackkit.testing.child_process` in a new process; files pass through `folder`."""
    with TemporaryDirectory(prefix="stackkit-probe-") as temporary:
        place = folder or Path(temporary)
        whole = {**request, **target.words()}
        (place / "request.json").write_text(json.dumps(whole), encoding="utf-8")
        search = os.pathsep.join(path or "." for path in sys.path)
        environment = {**os.environ, "PYTHONPATH": search, **(environ or {})}
        command = [sys.executable, "-B", "-m", "stackkit.testing.child_process", str(place)]
        try:
            done = subprocess.run(  # noqa: S603 - our own interpreter and our own module
                command,
                env=environment,
                capture_output=True,
                text=True,
                timeout=PROBE_LIMIT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise CheckFailedError(f"a new process gave no answer within {PROBE_LIMIT_S:g} s") from None
        answer = place / "answer.json"
        if not answer.exists():
            last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise CheckFailedError(f"a new process ended with {done.returncode}: {last}")
        found: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
        return found
