"""Describe the components of a plugin without importing their code."""

from __future__ import annotations

import keyword
import math
import pkgutil
import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType, NoneType
from typing import Any, ClassVar, Literal, TypeAlias

from stackkit.api.errors import UsageError

OptionValue: TypeAlias = str | int | float | bool | tuple[str, ...] | None
"""Value of an option. On the command line None is written `none`, and a tuple `a+b`; `()` is `none`."""

Several: TypeAlias = Literal["expand", "tuple"]
"""What several values of one option, joined by "+", mean; see `Option`."""

ValueType: TypeAlias = type[str] | type[int] | type[float] | type[bool]

Kind = Literal["dataset", "backbone", "learner", "aggregator"]

# Other characters have a meaning on the command line: "name:key=value,key=value", "plugin/name", "vgg*".
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_FACTORY = re.compile(r"[\w.]+:[\w.]+")
_VERSIONS = r"(~=|==|!=|<=|>=|<|>)\s*[\w.*+!-]+"
# A subset of PEP 508 without extras and markers, so that no parser has to be imported for listings.
_DISTRIBUTION = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]*(\s*{_VERSIONS}(\s*,\s*{_VERSIONS})*)?")
_Types: TypeAlias = type | tuple[type, ...]

_VALUES = (str, int, float, bool, NoneType)
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_EXPECTED = {bool: "true or false", int: "an integer", float: "a number"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One `key=value` that a component accepts.

    Attributes
    ----------
    name : str
        A Python identifier: the factory receives the value as a keyword argument of this name.
    default : str, int, float, bool or None
        The value if the user gives none. Its type is the type of all values.
    help : str
        One line for listings.
    type : type, optional
        `str`, `int`, `float` or `bool`; required if `default` is None. The text "none" then means None.
    choices : tuple, optional
        The only allowed values.
    words : tuple of str, optional
        Texts that are allowed besides numbers, such as "auto" in `C=auto`.
    minimum : float, optional
        Smallest allowed number.
    maximum : float, optional
        Largest allowed number.
    above : float, optional
        Allowed numbers are finite and greater than this.
    deprecated : str, optional
        What to use instead, such as "use side=". The option keeps working; using it shows this text.
    several : {"expand", "tuple"}, optional
        Accept several values joined by "+". "expand": the text stands for one component per value, so
        that `resnet50:pooling=avg+max` is short for `resnet50:pooling=avg` and `resnet50:pooling=max`;
        the factory receives one value. "tuple": one component, whose factory receives a tuple of the
        texts, in the order of the user; `default` is a tuple too, and `none` means `()`.

    Raises
    ------
    TypeError
        If a field has the wrong type.
    ValueError
        If the fields contradict each other or `name` is not an identifier.

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
    several: Several | None = None

    def __post_init__(self) -> None:
        _check_types(self, ("name", "help"), str)
        _check_types(self, ("default",), tuple if self.several == "tuple" else _VALUES)
        _check_items(self, "choices", _VALUES)
        _check_items(self, "words", str)
        if not self.name.isidentifier() or keyword.iskeyword(self.name):
            raise ValueError(
                "option name must be letters, digits and '_' and not a Python keyword, got "
                f"{self.name!r}; the factory receives the option as a keyword argument"
            )
        if self.type is None and self.default is None:
            raise ValueError(f"option {self.name}: default=None requires type=")
        defaults = self.default if isinstance(self.default, tuple) else (self.default,)
        if self.choices and not {*self.choices, None}.issuperset(defaults):
            raise ValueError(
                f"option {self.name}: default must be one of the choices, got {self.default!r}"
            )
        self._check_several()
        if self.words and (self.choices or self.value_type not in (int, float)):
            raise ValueError(
                f"option {self.name}: words= is for numbers without choices=; use choices= instead"
            )

    def _check_several(self) -> None:
        if self.several not in (None, "expand", "tuple"):
            raise ValueError(
                f"option {self.name}: several must be 'expand', 'tuple' or None, got {self.several!r}"
            )
        texts = self.default if isinstance(self.default, tuple) else ()
        if self.several and (
            self.value_type is not str or not all(isinstance(text, str) for text in texts)
        ):
            raise ValueError(f"option {self.name}: several= is for options whose values are texts")
        if clash := [text for text in (*self.choices, *texts) if self.several and "+" in str(text)]:
            raise ValueError(
                f"option {self.name}: {clash[0]!r} contains '+', which joins several values"
            )

    @property
    def value_type(self) -> ValueType:
        """The Python type of the values: `type`, else the type of `default`; `str` for tuples."""
        if self.type is not None:
            return self.type
        assert self.default is not None, "refused on construction"
        return str if isinstance(self.default, tuple) else type(self.default)

    def split(self, text: str) -> list[str]:
        """Return the command-line texts of the components that `text` stands for.

        Parameters
        ----------
        text : str
            What the user wrote behind `name=`.

        Returns
        -------
        list of str
            The parts of "a+b" with `several="expand"`; else `text` alone.

        """
        return text.split("+") if self.several == "expand" else [text]

    def parse(self, text: str) -> OptionValue:
        """Convert command-line text into a value.

        Parameters
        ----------
        text : str
            What the user wrote behind `name=`.

        Returns
        -------
        str, int, float, bool, tuple of str or None
            The value.

        Raises
        ------
        UsageError
            If the text is not a value of this option.

        """
        if self.several == "tuple":
            return self._parse_tuple(text)
        if self.default is None and text.lower() == "none":
            return None
        if text in self.words:
            return text
        value = self._convert(text)
        self._check_choice(value, text)
        if isinstance(value, int | float):
            self._check_bounds(value)
        return value

    def _parse_tuple(self, text: str) -> tuple[str, ...]:
        if text.lower() == "none":
            return ()
        parts = text.split("+")
        for part in parts:
            self._check_choice(part, part)
            if not part or parts.count(part) > 1:
                problem = f"contains {part} more than once" if part else "has an empty value"
                raise UsageError(f"option {self.name} {problem}: {text!r}; write a+b, or none")
        return tuple(parts)

    def _check_choice(self, value: OptionValue, text: str) -> None:
        if self.choices and value not in self.choices:
            allowed = ", ".join(str(choice) for choice in self.choices)
            several = ", or several joined by +" if self.several else ""
            raise UsageError(f"option {self.name} must be one of {allowed}{several}, got {text}")

    def _check_bounds(self, value: float) -> None:
        limits = [
            (self.above is None or math.isfinite(value), "finite"),
            (self.minimum is None or value >= self.minimum, f"at least {self.minimum}"),
            (self.maximum is None or value <= self.maximum, f"at most {self.maximum}"),
            (self.above is None or value > self.above, f"> {self.above}"),
        ]
        if broken := [limit for kept, limit in limits if not kept]:
            raise UsageError(f"option {self.name} must be {' and '.join(broken)}, got {value}")

    def _convert(self, text: str) -> OptionValue:
        try:
            if self.value_type is bool:
                return _BOOLEANS[text.lower()]
            value: OptionValue = self.value_type(text)
            if isinstance(value, float) and math.isnan(value):
                # NaN equals nothing, not even itself: the value could not be compared with a default.
                raise ValueError
        except (ValueError, KeyError):
            expected = " or ".join([_EXPECTED[self.value_type], *self.words])
            raise UsageError(f"option {self.name} must be {expected}, got {text!r}") from None
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentSpec:
    """What all specs of components have in common.

    Attributes
    ----------
    name : str
        Lower-case letters, digits, ".", "_" and "-"; begins with a letter or a digit. Unique among the
        components of its kind in the plugin.
    summary : str
        One line for listings.
    factory : str
        "package.module:callable". stackkit imports it when the component is used, not before, and calls
        it with every option as a keyword argument. An option named `seed` receives the seed of the run
        unless the user gives one. The options `device` ("cpu" or "gpu") and `threads` (an integer) of a
        backbone receive `--device` and `--threads`.
    options : tuple of Option
        What the user can set. stackkit adds options that it handles itself, unless the spec has one of
        the same name: `resize`, `views` and `boxes` of backbones, `views` of learners.
    requires : tuple of str
        Distributions that the component needs beyond the plugin's own dependencies, with versions if
        they matter: "torch>=2". If one of several distributions is enough, such as the builds of OpenCV,
        check that in `unavailable_reason` instead.
    install : str
        The command that installs what `requires` names; shown if something is missing.
    unavailable_reason : str
        "package.module:callable", or "" if the component needs nothing further. The callable takes every
        option as a keyword argument and must be fast: no heavy imports, no network. It returns None if
        the component can be used offline now; else one line that says what is missing (a weights file,
        a package, a folder) and how to get it.
    diagnoses : tuple of str
        "package.module:callable" each. `stackkit doctor` calls each one once without arguments, in a
        separate process. It imports the libraries that the component uses, and returns a dict of facts
        for a bug report, or raises. The key "problem" is for something that is wrong although the
        component works, and what to do about it.
    lacking : str
        Deprecated name of `unavailable_reason`. It will be removed in stackkit 0.3 or later.

    Raises
    ------
    TypeError
        If a field has the wrong type.
    ValueError
        If the value of a field is invalid, or both `unavailable_reason` and `lacking` are given.

    Warns
    -----
    FutureWarning
        If `lacking` is given.

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
    lacking: str = field(default="", repr=False, compare=False)

    def __post_init__(self) -> None:
        texts = ("name", "summary", "factory", "install", "unavailable_reason", "lacking")
        _check_types(self, texts, str)
        _check_items(self, "options", Option)
        _check_items(self, "requires", str)
        _check_items(self, "diagnoses", str)
        if not _NAME.fullmatch(self.name):
            raise ValueError(
                "name must be lower-case letters, digits, '.', '_' and '-', and begin with a letter or "
                f"digit, got {self.name!r}"
            )
        self._accept_deprecated_name()
        self._check_texts()
        for number in ("image_size", "feature_dim", "download_bytes"):
            value = getattr(self, number, None)
            if value is not None and (type(value) is not int or value < 1):
                raise ValueError(f"{self.name}: {number} must be an integer >= 1, got {value!r}")
        for text in self.requires:
            if not _DISTRIBUTION.fullmatch(text):
                raise ValueError(
                    f"{self.name}: requires= takes names of distributions, with versions if "
                    f"they matter, such as 'torch>=2', got {text!r}"
                )
        # The factory receives options as keyword arguments, so a second one would replace the first.
        names = [option.name for option in self.options]
        if len(set(names)) != len(names):
            raise ValueError(f"{self.name}: option names must be unique, got {names}")

    def _accept_deprecated_name(self) -> None:
        # `lacking` can still be read, so it repeats `unavailable_reason`. The text is marked, because
        # dataclasses.replace() passes it on as if somebody had given it.
        if self.lacking and not isinstance(self.lacking, _Repeated):
            if self.unavailable_reason:
                raise ValueError(
                    f"{self.kind} {self.name}: got both unavailable_reason= and its deprecated name "
                    "lacking=; remove lacking="
                )
            warnings.warn(
                f"{self.kind} {self.name}: lacking= is deprecated and will be removed in stackkit 0.3 "
                "or later; use unavailable_reason=",
                FutureWarning,
                stacklevel=4,  # the line that makes the spec, above __init__ and __post_init__
            )
            object.__setattr__(self, "unavailable_reason", self.lacking)
        object.__setattr__(self, "lacking", _Repeated(self.unavailable_reason))

    def _check_texts(self) -> None:
        self._check_process_state(getattr(self, "process_state", None))
        for role in ("factory", "fetch", "unavailable_reason"):
            text = getattr(self, role, "")
            if not _FACTORY.fullmatch(text) and (text or role == "factory"):
                raise ValueError(f"{self.name}: {role} must be 'package.module:callable', got {text!r}")
        if not all(map(_FACTORY.fullmatch, self.diagnoses)):
            raise ValueError(
                f"{self.name}: diagnoses must be a tuple of 'package.module:callable', "
                f"got {self.diagnoses!r}"
            )

    def _check_process_state(self, state: object) -> None:
        if isinstance(state, str):
            if not _FACTORY.fullmatch(state):
                raise ValueError(
                    f"{self.name}: process_state must be a tuple such as ({state!r},), or "
                    f"'package.module:callable', got {state!r}"
                )
        elif state is not None:
            _check_items(self, "process_state", str)

    def load(self) -> Callable[..., Any]:
        """Import the factory.

        Returns
        -------
        callable
            What `factory` names.

        """
        return load_text(self.factory)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSpec(ComponentSpec):
    """A source of labelled images. Its factory returns a `Dataset`.

    It has all fields of `ComponentSpec`, and one more.

    Attributes
    ----------
    fetch : str
        "package.module:callable" that downloads the dataset for `stackkit fetch`, or "" if there is
        nothing to download. The callable takes every option and `reporter` (a `Reporter`) as keyword
        arguments, returns the folder as a `pathlib.Path`, and raises a StackkitError if it fails.

    """

    kind = "dataset"
    fetch: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackboneSpec(ComponentSpec):
    """A frozen network. Its factory returns a `Backbone` or a `PreparableBackbone`.

    It has all fields of `ComponentSpec`, and three more, which describe the network with its default
    options. `stackkit list-plugins` shows them, so that users can choose a network.

    Attributes
    ----------
    image_size : int or None
        Width and height of the input in pixels.
    feature_dim : int or None
        Number of features per image.
    download_bytes : int or None
        About how many bytes it downloads at first use.

    """

    kind = "backbone"
    image_size: int | None = None
    feature_dim: int | None = None
    download_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnerSpec(ComponentSpec):
    """A classifier that is fitted on the features of one backbone. Its factory returns a `Learner`.

    It has all fields of `ComponentSpec`, and two more.

    Attributes
    ----------
    probabilities : bool
        Whether the learner has `predict_proba`. Without it the learner can be a baseline, but cannot be
        stacked.
    process_state : tuple of str, str or None
        Names of what fits of this component use that the whole process shares, such as "liblinear" for
        the random generator of scikit-learn's `LinearSVC`. Fits that name the same state take turns.
        With `()` they run beside any other fit. By default, None, the component may use any state, and
        its fits run alone. "random" stands for the global generators of Python and NumPy; stackkit
        seeds them for each fit that names them or runs alone. If the state depends on options:
        "package.module:callable"; the callable takes every option as a keyword argument and returns a
        tuple or None.

    """

    kind = "learner"
    probabilities: bool = True
    process_state: tuple[str, ...] | str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregatorSpec(ComponentSpec):
    """A meta-classifier. Its factory returns an `Aggregator` or a `FeatureAggregator`.

    It has all fields of `ComponentSpec`, and one more.

    Attributes
    ----------
    process_state : tuple of str, str or None
        Names of what fits of this component use that the whole process shares, such as "liblinear" for
        the random generator of scikit-learn's `LinearSVC`. Fits that name the same state take turns.
        With `()` they run beside any other fit. By default, None, the component may use any state, and
        its fits run alone. "random" stands for the global generators of Python and NumPy; stackkit
        seeds them for each fit that names them or runs alone. If the state depends on options:
        "package.module:callable"; the callable takes every option as a keyword argument and returns a
        tuple or None.

    """

    kind = "aggregator"
    process_state: tuple[str, ...] | str | None = None


# Read-only, because plugins run in the same process and could change it.
SPEC_TYPES: Mapping[Kind, type[ComponentSpec]] = MappingProxyType(
    {spec.kind: spec for spec in (DatasetSpec, BackboneSpec, LearnerSpec, AggregatorSpec)}
)


class _Repeated(str):
    """Value of a deprecated field that was copied from the field that replaces it."""

    __slots__ = ()


def _check_types(record: Option | ComponentSpec, fields: Iterable[str], types: _Types) -> None:
    # Listings format these fields without looking at them, so a wrong type is refused here.
    for name in fields:
        actual = type(getattr(record, name))
        if not issubclass(actual, types):
            raise TypeError(f"{record.name}: {name} must be {_names(types)}, got {actual.__name__}")


def _check_items(record: Option | ComponentSpec, name: str, types: _Types) -> None:
    items = getattr(record, name)
    if isinstance(items, tuple) and all(isinstance(item, types) for item in items):
        return
    hint = ""
    if isinstance(items, types):  # ("torch") is a text: the comma makes the tuple
        shown = f"Option(name={items.name!r}, ...)" if isinstance(items, Option) else repr(items)
        hint = f"; write ({shown},) with a comma"
    actual = type(items).__name__
    if isinstance(items, tuple):
        wrong = next(item for item in items if not isinstance(item, types))
        actual = f"a tuple with {type(wrong).__name__}"
    raise TypeError(f"{record.name}: {name} must be a tuple of {_names(types)}, got {actual}{hint}")


def _names(types: _Types) -> str:
    return types.__name__ if isinstance(types, type) else "str, int, float, bool or None"


def load_text(text: str) -> Callable[..., Any]:
    """Import and return what "package.module:callable" names."""
    target: Callable[..., Any] = pkgutil.resolve_name(text)
    return target
