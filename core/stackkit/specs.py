"""What a plugin says about its components before any of their code is imported."""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

from stackkit.errors import UsageError

OptionValue: TypeAlias = str | int | float | bool | None

Kind = Literal["dataset", "backbone", "learner", "aggregator"]

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_FACTORY = re.compile(r"[\w.]+:[\w.]+")
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One `key=value` that a component takes.

    The type of a value is that of `default`; a default of None needs `type`, and then the
    text "none" means None. `choices`, if any, are the only values allowed.
    """

    name: str
    default: OptionValue
    help: str
    type: type[str] | type[int] | type[float] | type[bool] | None = None
    choices: tuple[OptionValue, ...] = ()

    def __post_init__(self) -> None:
        if self.type is None and self.default is None:
            raise ValueError(f"option {self.name}: a default of None needs type=")

    @property
    def value_type(self) -> type:
        """The Python type of this option's values."""
        return self.type or type(self.default)

    def parse(self, text: str) -> OptionValue:
        """Turn command-line text into a value; raises UsageError if it is none of this option."""
        if self.default is None and text.lower() == "none":
            return None
        value = self._convert(text)
        if self.choices and value not in self.choices:
            allowed = ", ".join(str(choice) for choice in self.choices)
            raise UsageError(f"option {self.name}={text}: choose one of {allowed}")
        return value

    def _convert(self, text: str) -> OptionValue:
        try:
            if self.value_type is bool:
                return _BOOLEANS[text.lower()]
            value: OptionValue = self.value_type(text)
        except (ValueError, KeyError):
            wanted = "true or false" if self.value_type is bool else f"a {self.value_type.__name__}"
            raise UsageError(f"option {self.name}={text}: {wanted} is wanted") from None
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentSpec:
    """A component by name; `factory` ("package.module:callable") stays text until it is used.

    The factory is called with every option as a keyword. `requires` names distributions
    beyond the plugin's own dependencies, `install` the pip command printed if one is missing.
    An option called `seed` receives the run's seed unless the user gives it.
    """

    kind: ClassVar[Kind]

    name: str
    summary: str
    factory: str
    options: tuple[Option, ...] = ()
    requires: tuple[str, ...] = ()
    install: str = ""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r}: a name is lower-case letters, digits, '.', '_', '-'")
        if not _FACTORY.fullmatch(self.factory):
            raise ValueError(f"{self.name}: factory {self.factory!r} is not 'package.module:callable'")
        names = [option.name for option in self.options]
        if len(set(names)) != len(names):
            raise ValueError(f"{self.name}: an option is declared twice in {names}")

    def load(self) -> Callable[..., Any]:
        """Import the factory. The only place where a component's code is imported."""
        return load_text(self.factory)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSpec(ComponentSpec):
    """A source of labelled images.

    `fetch` names a callable that downloads the dataset: it takes every option as a keyword
    and `reporter`, returns the folder, and raises StackkitError. Empty: nothing to download.
    """

    kind = "dataset"
    fetch: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackboneSpec(ComponentSpec):
    """A frozen network.

    `lacking` names a callable that takes every option as a keyword, imports no framework, and
    returns None if the backbone can run offline, else what is missing (such as a weights file).
    """

    kind = "backbone"
    lacking: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnerSpec(ComponentSpec):
    """A classifier fitted on one backbone's features; `probabilities`: has `predict_proba`."""

    kind = "learner"
    probabilities: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregatorSpec(ComponentSpec):
    """A meta-classifier over base learners' probabilities."""

    kind = "aggregator"


SPEC_TYPES: dict[Kind, type[ComponentSpec]] = {
    spec.kind: spec for spec in (DatasetSpec, BackboneSpec, LearnerSpec, AggregatorSpec)
}


def load_text(text: str) -> Callable[..., Any]:
    """Import what "package.module:callable" names."""
    target: Callable[..., Any] = pkgutil.resolve_name(text)
    return target
