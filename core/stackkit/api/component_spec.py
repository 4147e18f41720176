"""What the specs of all kinds of components have in common."""

from __future__ import annotations

import pkgutil
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from stackkit.api.field_types import check_items, check_types
from stackkit.api.option import Option

Kind = Literal["dataset", "backbone", "learner", "aggregator", "executor"]

# Other characters have a meaning on the command line: "name:key=value,key=value", "plugin/name", "vgg*".
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_FACTORY = re.compile(r"[\w.]+:[\w.]+")
_VERSIONS = r"(~=|==|!=|<=|>=|<|>)\s*[\w.*+!-]+"
# A subset of PEP 508 without extras and markers, so that no parser has to be imported for listings.
_DISTRIBUTION = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]*(\s*{_VERSIONS}(\s*,\s*{_VERSIONS})*)?")


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
        check_types(self, texts, str)
        check_items(self, "options", Option)
        check_items(self, "requires", str)
        check_items(self, "diagnoses", str)
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
        state, restore = (getattr(self, role, "") for role in ("state", "restore"))
        if bool(state) != bool(restore):
            raise ValueError(
                f"{self.name}: state and restore must be given together, got state={state!r} and "
                f"restore={restore!r}"
            )
        if getattr(self, "onnx", "") and not state:
            raise ValueError(
                f"{self.name}: onnx takes the state of a classifier; give state and restore too"
            )
        if getattr(self, "update", "") and not state:
            raise ValueError(f"{self.name}: update takes a state; give state and restore too")
        for role in ("factory", "fetch", "unavailable_reason", "state", "restore", "onnx", "update"):
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
            check_items(self, "process_state", str)

    def load(self) -> Callable[..., Any]:
        """Import the factory.

        Returns
        -------
        callable
            What `factory` names.

        """
        return load_text(self.factory)


class _Repeated(str):
    """Value of a deprecated field that was copied from the field that replaces it."""

    __slots__ = ()


def load_text(text: str) -> Callable[..., Any]:
    """Import and return what "package.module:callable" names."""
    target: Callable[..., Any] = pkgutil.resolve_name(text)
    return target
