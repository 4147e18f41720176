"""One `key=value` that a component accepts, and how its text becomes a value."""

from __future__ import annotations

import keyword
import math
from dataclasses import dataclass
from types import NoneType
from typing import Literal, TypeAlias

from stackkit.api.errors import UsageError
from stackkit.api.field_types import check_items, check_types

OptionValue: TypeAlias = str | int | float | bool | tuple[str, ...] | None
"""Value of an option. On the command line None is written `none`, and a tuple `a+b`; `()` is `none`."""

Several: TypeAlias = Literal["expand", "tuple"]
"""What several values of one option, joined by "+", mean; see `Option`."""

ValueType: TypeAlias = type[str] | type[int] | type[float] | type[bool]

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
        check_types(self, ("name", "help"), str)
        check_types(self, ("default",), tuple if self.several == "tuple" else _VALUES)
        check_items(self, "choices", _VALUES)
        check_items(self, "words", str)
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
