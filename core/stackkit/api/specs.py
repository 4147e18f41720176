"""What a plugin says about its components before any of their code is imported."""

from __future__ import annotations

import keyword
import math
import pkgutil
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType, NoneType
from typing import Any, ClassVar, Literal, TypeAlias

from stackkit.api.errors import UsageError

OptionValue: TypeAlias = str | int | float | bool | None
"""What an option of a component can be; None is typed as `none`."""

ValueType: TypeAlias = type[str] | type[int] | type[float] | type[bool]

Kind = Literal["dataset", "backbone", "learner", "aggregator"]

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_FACTORY = re.compile(r"[\w.]+:[\w.]+")
_VERSIONS = r"(~=|==|!=|<=|>=|<|>)\s*[\w.*+!-]+"
_DISTRIBUTION = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]*(\s*{_VERSIONS}(\s*,\s*{_VERSIONS})*)?")
_Types: TypeAlias = type | tuple[type, ...]

_VALUES = (str, int, float, bool, NoneType)
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_WANTED = {bool: "true or false", int: "a whole number", float: "a number"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One `key=value` that a component takes.

    The type of a value is that of `default`; a default of None needs `type`, and then the
    text "none" means None. `choices`, if any, are the only values allowed; a number must
    be at least `minimum`, at most `maximum`, and finite and more than `above`, where these are given.
    `words` are allowed beside the values of the type, as in `C=auto` for a number.
    `deprecated` says what to write instead, as in "use side=": the option goes on working, and
    whoever gives it is told.
    """

    name: str
    default: OptionValue
    help: str
    type: ValueType | None = None
    choices: tuple[OptionValue, ...] = ()
    words: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    deprecated: str = ""

    def __post_init__(self) -> None:
        _check_types(self, ("name", "help"), str)
        _check_types(self, ("default",), _VALUES)
        _check_items(self, "choices", _VALUES)
        _check_items(self, "words", str)
        if not self.name.isidentifier() or keyword.iskeyword(self.name):
            raise ValueError(
                f"option {self.name!r}: the factory gets it as a keyword argument, and Python has none "
                "of that name; letters, digits and '_' are wanted, and no word of Python's own"
            )
        if self.type is None and self.default is None:
            raise ValueError(f"option {self.name}: a default of None needs type=")
        if self.choices and self.default is not None and self.default not in self.choices:
            raise ValueError(f"option {self.name}: the default {self.default!r} is none of the choices")
        if self.words and (self.choices or self.value_type not in (int, float)):
            raise ValueError(f"option {self.name}: words stand beside numbers; use choices")

    @property
    def value_type(self) -> ValueType:
        """The Python type of this option's values."""
        if self.type is not None:
            return self.type
        assert self.default is not None, "refused on construction"
        return type(self.default)

    def parse(self, text: str) -> OptionValue:
        """Turn command-line text into a value; raises UsageError if it is none of this option."""
        if self.default is None and text.lower() == "none":
            return None
        if text in self.words:
            return text
        value = self._convert(text)
        if self.choices and value not in self.choices:
            allowed = ", ".join(str(choice) for choice in self.choices)
            raise UsageError(f"option {self.name}={text}: choose one of {allowed}")
        if isinstance(value, int | float):
            self._check_bounds(value)
        return value

    def _check_bounds(self, value: float) -> None:
        limits = [
            (self.above is None or math.isfinite(value), "that is finite"),
            (self.minimum is None or value >= self.minimum, f"at least {self.minimum}"),
            (self.maximum is None or value <= self.maximum, f"at most {self.maximum}"),
            (self.above is None or value > self.above, f"above {self.above}"),
        ]
        if broken := [text for kept, text in limits if not kept]:
            raise UsageError(f"option {self.name}={value}: a number {' and '.join(broken)} is wanted")

    def _convert(self, text: str) -> OptionValue:
        try:
            if self.value_type is bool:
                return _BOOLEANS[text.lower()]
            value: OptionValue = self.value_type(text)
            if isinstance(value, float) and math.isnan(value):
                raise ValueError("not a number equals nothing, not even itself")
        except (ValueError, KeyError):
            wanted = " or ".join([_WANTED[self.value_type], *self.words])
            raise UsageError(f"option {self.name}={text}: {wanted} is wanted") from None
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentSpec:
    """A component by name; `factory` ("package.module:callable") stays text until it is used.

    The factory is called with every option as a keyword. `requires` names distributions beyond the
    plugin's own dependencies, with the versions that will do where that matters ("torch>=2"), and
    `install` the pip command printed if one is missing; where one of several would do, such as the
    builds of OpenCV, say so in `unavailable_reason` instead. An option called `seed` receives the run's
    seed unless the user gives it; a backbone's `device` ("cpu" or "gpu") and `threads` (a whole
    number) receive --device and --threads where given.

    `unavailable_reason` names a callable that takes every option as a keyword, imports nothing heavy,
    and returns None if the component can be used offline now, else what is missing with these
    options (a weights file, a package, a dataset's folder) and what to do about it.

    `diagnoses` name callables without arguments. `stackkit doctor` calls each once, in a process of
    its own: it imports what the component runs on and returns {name: value} of what a bug report
    should tell, or raises. "problem" among the names tells what is amiss though it runs, and what to do.
    """

    kind: ClassVar[Kind]

    name: str
    summary: str
    factory: str
    options: tuple[Option, ...] = ()
    requires: tuple[str, ...] = ()
    install: str = ""
    unavailable_reason: str = ""
    diagnoses: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_types(self, ("name", "summary", "factory", "install", "unavailable_reason"), str)
        _check_items(self, "options", Option)
        _check_items(self, "requires", str)
        _check_items(self, "diagnoses", str)
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r}: a name is lower-case letters, digits, '.', '_', '-'")
        self._check_texts()
        self._check_requirements()
        names = [option.name for option in self.options]
        if len(set(names)) != len(names):
            raise ValueError(f"{self.name}: an option is declared twice in {names}")

    def _check_texts(self) -> None:
        for field in ("factory", "fetch", "unavailable_reason"):
            text = getattr(self, field, "")
            if not _FACTORY.fullmatch(text) and (text or field == "factory"):
                raise ValueError(f"{self.name}: {field} {text!r} is not 'package.module:callable'")
        if not all(map(_FACTORY.fullmatch, self.diagnoses)):
            raise ValueError(
                f"{self.name}: diagnoses {self.diagnoses!r} is not a tuple of 'package.module:callable'"
            )

    def _check_requirements(self) -> None:
        for name in self.requires:
            if not _DISTRIBUTION.fullmatch(name):
                raise ValueError(
                    f"{self.name}: requires {name!r}; a distribution's name is wanted, and its versions "
                    "where that matters, as in 'torch>=2'"
                )

    def load(self) -> Callable[..., Any]:
        """Import the factory. The only place where a component's code is imported."""
        return load_text(self.factory)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSpec(ComponentSpec):
    """A source of labelled images; its factory makes a `Dataset`.

    `fetch` names a callable that downloads the dataset: it takes every option as a keyword
    and `reporter`, returns the folder, and raises StackkitError. Empty: nothing to download.
    """

    kind = "dataset"
    fetch: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackboneSpec(ComponentSpec):
    """A frozen network; its factory makes a `Backbone`, or a `PreparableBackbone`."""

    kind = "backbone"


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnerSpec(ComponentSpec):
    """A classifier fitted on one backbone's features; its factory makes a `Learner`.

    `probabilities` says whether it has `predict_proba`, without which it feeds no stack.
    """

    kind = "learner"
    probabilities: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregatorSpec(ComponentSpec):
    """A meta-classifier over base learners' probabilities; its factory makes an `Aggregator`.

    Or a `FeatureAggregator`, which works on features instead.
    """

    kind = "aggregator"


SPEC_TYPES: Mapping[Kind, type[ComponentSpec]] = MappingProxyType(
    {spec.kind: spec for spec in (DatasetSpec, BackboneSpec, LearnerSpec, AggregatorSpec)}
)


def _check_types(record: Option | ComponentSpec, fields: Iterable[str], types: _Types) -> None:
    """Raise TypeError that says whose field has none of these types: listings trust all of them."""
    for field in fields:
        came = type(getattr(record, field))
        if not issubclass(came, types):
            raise TypeError(f"{record.name}: {field} is {came.__name__}; {_names(types)} is wanted")


def _check_items(record: Option | ComponentSpec, field: str, types: _Types) -> None:
    items = getattr(record, field)
    if not isinstance(items, tuple) or not all(isinstance(item, types) for item in items):
        raise TypeError(f"{record.name}: {field} is no tuple of {_names(types)}{_comma(items, types)}")


def _comma(item: object, types: _Types) -> str:
    """What to say of a tuple of one that lacks its comma."""
    if not isinstance(item, types):
        return ""
    shown = f"Option(name={item.name!r}, ...)" if isinstance(item, Option) else repr(item)
    return f"; the comma is missing: ({shown},)"


def _names(types: _Types) -> str:
    return types.__name__ if isinstance(types, type) else "text, numbers, true, false, None"


def load_text(text: str) -> Callable[..., Any]:
    """Import what "package.module:callable" names."""
    target: Callable[..., Any] = pkgutil.resolve_name(text)
    return target
