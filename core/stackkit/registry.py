"""From a text such as "logistic:C=10" to a component, its options, and an object."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from stackkit.errors import PluginError, StackkitError, UsageError
from stackkit.host import Component, Host, one_line
from stackkit.specs import DatasetSpec, Kind, Option, OptionValue, load_text

_COMMA = re.compile(r"(\\*),")
_LAST_BACKSLASHES = re.compile(r"(\\+)\Z")
_OPTION = re.compile(r"\s*\w+=")

MOST_LISTED = 12
"""More names than this do not fit an error of one line."""

MACHINE = ("device", "threads")
"""Options of backbones that say how this machine is used, and change no feature."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A component with a value for each of its options: what the user asked for, resolved.

    `unadorned` holds what the bare name means here where that is not the declared default;
    of it, the options in MACHINE are in no text, since they change no figure.
    """

    component: Component
    options: Mapping[str, OptionValue]
    name: str
    unadorned: Mapping[str, OptionValue] = field(default_factory=dict)

    @cached_property
    def text(self) -> str:
        """Canonical text: the name and the options that differ from their defaults."""
        changed = [
            f"{option.name}={_written(self.options[option.name])}"
            for option in self.component.spec.options
            if self._is_changed(option)
        ]
        return f"{self.name}:{_joined(changed)}" if changed else self.name

    def _is_changed(self, option: Option) -> bool:
        value = self.options[option.name]
        bare = self.unadorned.get(option.name, option.default)
        return value != bare or (value != option.default and option.name not in MACHINE)

    def create(self) -> Any:
        """Import the component's code and make the object; raises PluginError or StackkitError."""
        self._require()
        return _call(self.component, self.component.spec.factory, self.options)

    @contextmanager
    def blamed(self) -> Iterator[None]:
        """Whatever the component's code raises in the block becomes an error that names it."""
        with _blaming(self.component, "failed"):
            yield

    def fetch(self, **context: Any) -> Any:
        """Run a dataset's download; raises UsageError if it has none."""
        spec = self.component.spec
        if not isinstance(spec, DatasetSpec) or not spec.fetch:
            raise UsageError(f"{self.name} has nothing to download")
        self._require()
        return _call(self.component, spec.fetch, {**self.options, **context})

    def lacking(self) -> str | None:
        """What stands between this choice and running offline now, or None."""
        if missing := missing_requirements(self.component):
            return missing
        spec = self.component.spec
        if not spec.lacking:
            return None
        try:
            answer: str | None = _call(self.component, spec.lacking, self.options)
        except StackkitError as error:  # a listing asks every component; one must not end it
            return str(error)
        return answer

    def _require(self) -> None:
        if missing := missing_requirements(self.component):
            raise PluginError(f"{self.name} {missing}")


def missing_requirements(component: Component) -> str | None:
    """Text "needs X; run: pip install ..." if a required distribution is absent, else None."""
    absent = [name for name in component.spec.requires if not _is_installed(name)]
    if not absent:
        return None
    command = component.spec.install or f"pip install {' '.join(absent)}"
    return f"needs {', '.join(absent)}; run: {command}"


def _is_installed(distribution: str) -> bool:
    try:
        version(distribution)
    except PackageNotFoundError:
        return False
    return True


def _call(component: Component, text: str, keywords: Mapping[str, Any]) -> Any:
    """Import what `text` names and call it; whatever a stranger raises becomes a StackkitError."""
    with _blaming(component, "cannot be imported"):
        function = load_text(text)
    with _blaming(component, "cannot be used"):
        return function(**keywords)


@contextmanager
def _blaming(component: Component, what: str) -> Iterator[None]:
    try:
        yield
    except StackkitError:
        raise
    except (Exception, SystemExit) as error:
        raise PluginError(
            f"{component.qualified_name} ({component.distribution} {component.version}) "
            f"{what}: {one_line(error)}"
        ) from error


@dataclass(frozen=True, kw_only=True)
class Registry:
    """The components of a host, found by name or pattern.

    `seed` is handed to every component that declares an option of that name, `machine` ("device"
    and "threads", as text) to every backbone that does.
    """

    host: Host
    seed: int = 0
    machine: Mapping[str, str] = field(default_factory=dict)

    def of_kind(self, kind: Kind) -> list[Component]:
        """All components of a kind, sorted by qualified name."""
        return [component for component in self.host.components if component.kind == kind]

    def one(self, kind: Kind, text: str) -> Choice:
        """The one component that `text` means; raises UsageError otherwise."""
        choices = self.several(kind, [text])
        if len(choices) != 1:
            raise UsageError(f"one {kind} is wanted; {text!r} means {len(choices)}")
        return choices[0]

    def several(self, kind: Kind, texts: Iterable[str]) -> list[Choice]:
        """All components that names, comma lists and glob patterns mean, in that order.

        Asking twice for the same component with the same options is one choice.
        """
        choices: dict[str, Choice] = {}
        for text in texts:
            for name, options in _split(text):
                for component in self._matching(kind, name):
                    choice = self._choose(component, options)
                    choices.setdefault(choice.text, choice)
        return list(choices.values())

    def short_name(self, component: Component) -> str:
        """The shortest name that means this component and no other."""
        same = self._called(component.kind, component.spec.name)
        own = [rival for rival in same if rival.is_own]
        unambiguous = own == [component] or (not own and len(same) == 1)
        return component.spec.name if unambiguous else component.qualified_name

    def default(self, component: Component) -> Choice:
        """A component with nothing but its default options."""
        return self._choose(component, {})

    def _called(self, kind: Kind, name: str) -> list[Component]:
        return [component for component in self.of_kind(kind) if component.spec.name == name]

    def _matching(self, kind: Kind, name: str) -> list[Component]:
        if any(sign in name for sign in "*?["):
            matches = [
                component
                for component in self.of_kind(kind)
                if fnmatchcase(component.spec.name, name) or fnmatchcase(component.qualified_name, name)
            ]
            if not matches:
                raise UsageError(f"no {kind} matches {name!r}{self._hint(kind, name)}")
            return matches
        return [self._named(kind, name)]

    def _named(self, kind: Kind, name: str) -> Component:
        for component in self.of_kind(kind):
            if component.qualified_name == name:
                return component
        candidates = self._called(kind, name)
        own = [component for component in candidates if component.is_own]
        if len(own or candidates) == 1:
            return (own or candidates)[0]
        if candidates:
            names = ", ".join(f"{c.qualified_name} ({c.distribution})" for c in candidates)
            raise UsageError(f"{name!r} could mean {names}: say which by its qualified name")
        raise UsageError(f"unknown {kind} {name!r}{self._hint(kind, name)}")

    def _hint(self, kind: Kind, name: str) -> str:
        known = [self.short_name(component) for component in self.of_kind(kind)]
        broken = [record.name for record in self.host.plugins if record.error]
        note = f" (plugins that failed to load: {', '.join(broken)})" if broken else ""
        if close := difflib.get_close_matches(name.strip("*?"), known, n=3, cutoff=0.5):
            return f"; did you mean {' or '.join(close)}?{note}"
        if len(known) > MOST_LISTED:
            return f"; `stackkit list-plugins --kind {kind}` shows all {len(known)}{note}"
        return f"; there is {', '.join(known) or 'none'}{note}"

    def _choose(self, component: Component, given: Mapping[str, str]) -> Choice:
        declared = {option.name: option for option in component.spec.options}
        name = self.short_name(component)
        for key in [key for key in given if key not in declared]:
            raise UsageError(f"{name} has no option {key!r}{_option_hint(key, declared)}")
        unadorned: dict[str, OptionValue] = {"seed": self.seed} if "seed" in declared else {}
        try:
            if component.kind == "backbone":
                unadorned |= _parsed(declared, self.machine)
            values = unadorned | _parsed(declared, given)
        except UsageError as error:
            raise UsageError(f"{name}: {error}") from None
        defaults = {option.name: option.default for option in declared.values()}
        return Choice(component=component, options=defaults | values, name=name, unadorned=unadorned)


def with_seed(registry: Registry, seed: int) -> Registry:
    """The same registry, handing `seed` to every component that declares that option."""
    return replace(registry, seed=seed)


def with_machine(registry: Registry, device: str | None, threads: int | None) -> Registry:
    """The same registry, handing these to every backbone that declares them; None: not given.

    A backbone that declares no such option goes without; one whose option takes other values
    is a UsageError when it is chosen.
    """
    given = {"device": device, "threads": threads}
    return replace(
        registry, machine={key: str(value) for key, value in given.items() if value is not None}
    )


def _parsed(declared: Mapping[str, Option], texts: Mapping[str, str]) -> dict[str, OptionValue]:
    return {key: declared[key].parse(text) for key, text in texts.items() if key in declared}


def _option_hint(key: str, declared: Mapping[str, Option]) -> str:
    if close := difflib.get_close_matches(key, declared, n=1):
        return f"; did you mean {close[0]}?"
    return f"; it has {', '.join(declared) or 'none'}"


def _written(value: OptionValue) -> str:
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)


def _split(text: str) -> list[tuple[str, dict[str, str]]]:
    """Turn "a:x=1,y=2,b" into [("a", {"x": "1", "y": "2"}), ("b", {})].

    A comma starts a new component unless `key=` follows it.
    """
    parts: list[tuple[str, dict[str, str]]] = []
    for piece in _pieces(text):
        if _OPTION.match(piece):
            if not parts:
                raise UsageError(f"{text!r} starts with an option; write a name first: name:key=value")
            _add_option(text, parts[-1][1], piece)
            continue
        name, colon, option = piece.partition(":")
        if not name.strip():
            raise UsageError(f"{text!r} names an empty component")
        parts.append((name.strip(), {}))
        if colon:
            _add_option(text, parts[-1][1], option)
    return parts


def _add_option(text: str, options: dict[str, str], piece: str) -> None:
    key, equals, value = piece.partition("=")
    key = key.strip()
    if not equals or not key:
        raise UsageError(f"{text!r}: {piece!r} is not key=value")
    if key in options:
        raise UsageError(f"{text!r} gives {key} twice")
    options[key] = value


def _pieces(text: str) -> list[str]:
    r"""Split at commas; `\,` is a comma inside a piece, and just before a comma `\\` is a backslash.

    Elsewhere a backslash means itself, so that Windows paths can be typed as they are.
    """

    def decode(match: re.Match[str]) -> str:
        count = len(match[1])
        return "\\" * (count // 2) + ("," if count % 2 else "\0")  # no command line can hold NUL

    return _COMMA.sub(decode, text).split("\0")


def _joined(pieces: Sequence[str]) -> str:
    """The text that `_pieces` splits into these pieces."""
    escaped = [_COMMA.sub(r"\1\1\\,", piece) for piece in pieces]
    ended = [_LAST_BACKSLASHES.sub(r"\1\1", piece) for piece in escaped[:-1]]
    return ",".join([*ended, *escaped[-1:]])


def describe(choices: Sequence[Choice]) -> list[dict[str, Any]]:
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
