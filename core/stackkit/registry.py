"""From a text such as "logistic:C=10" to a component, its options, and an object."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from stackkit.errors import PluginError, UsageError
from stackkit.host import Component, Host
from stackkit.specs import BackboneSpec, DatasetSpec, Kind, Option, OptionValue, load_text

_COMMA = re.compile(r"(?<!\\),")
_OPTION = re.compile(r"\w+=")


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A component with a value for each of its options: what the user asked for, resolved."""

    component: Component
    options: Mapping[str, OptionValue]
    name: str

    @cached_property
    def text(self) -> str:
        """Canonical text: the name and the options that differ from their defaults."""
        changed = [
            f"{option.name}={_escaped(self.options[option.name])}"
            for option in self.component.spec.options
            if self.options[option.name] != option.default
        ]
        return f"{self.name}:{','.join(changed)}" if changed else self.name

    def create(self) -> Any:
        """Import the component's code and make the object; raises PluginError or StackkitError."""
        self._require()
        factory = _imported(self.component, self.component.spec.factory)
        return factory(**self.options)

    def fetch(self, **context: Any) -> Any:
        """Run a dataset's download; raises UsageError if it has none."""
        spec = self.component.spec
        if not isinstance(spec, DatasetSpec) or not spec.fetch:
            raise UsageError(f"{self.name} has nothing to download")
        self._require()
        return _imported(self.component, spec.fetch)(**self.options, **context)

    def lacking(self) -> str | None:
        """What stands between this choice and running offline now, or None."""
        if missing := missing_requirements(self.component):
            return missing
        spec = self.component.spec
        if isinstance(spec, BackboneSpec) and spec.lacking:
            answer: str | None = _imported(self.component, spec.lacking)(**self.options)
            return answer
        return None

    def _require(self) -> None:
        if missing := missing_requirements(self.component):
            raise PluginError(f"{self.name} {missing}")


def missing_requirements(component: Component) -> str | None:
    """ "needs X; run: pip install ..." if a required distribution is absent, else None."""
    absent = [name for name in component.spec.requires if not _is_installed(name)]
    if not absent:
        return None
    return f"needs {', '.join(absent)}; run: {component.spec.install or 'pip install ' + ' '.join(absent)}"


def _is_installed(distribution: str) -> bool:
    try:
        version(distribution)
    except PackageNotFoundError:
        return False
    return True


def _imported(component: Component, text: str) -> Any:
    try:
        return load_text(text)
    except Exception as error:  # a stranger's module may fail in any way
        raise PluginError(
            f"{component.qualified_name} ({component.distribution} {component.version}) cannot be "
            f"imported: {type(error).__name__}: {error}"
        ) from error


@dataclass(frozen=True, kw_only=True)
class Registry:
    """The components of a host, found by name or pattern."""

    host: Host
    seed: int = 0

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
        return f"; there is {', '.join(known) or 'none'}{note}"

    def _choose(self, component: Component, given: Mapping[str, str]) -> Choice:
        declared = {option.name: option for option in component.spec.options}
        name = self.short_name(component)
        values = {option.name: option.default for option in declared.values()}
        if "seed" in declared:
            values["seed"] = self.seed
        for key, text in given.items():
            if key not in declared:
                raise UsageError(f"{name} has no option {key!r}{_option_hint(key, declared)}")
            try:
                values[key] = declared[key].parse(text)
            except UsageError as error:
                raise UsageError(f"{name}: {error}") from None
        return Choice(component=component, options=values, name=name)


def with_seed(registry: Registry, seed: int) -> Registry:
    """The same registry, handing `seed` to every component that declares that option."""
    return replace(registry, seed=seed)


def _option_hint(key: str, declared: Mapping[str, Option]) -> str:
    if close := difflib.get_close_matches(key, declared, n=1):
        return f"; did you mean {close[0]}?"
    return f"; it has {', '.join(declared) or 'none'}"


def _escaped(value: OptionValue) -> str:
    text = str(value).lower() if isinstance(value, bool) or value is None else str(value)
    return text.replace(",", "\\,")


def _split(text: str) -> list[tuple[str, dict[str, str]]]:
    """ "a:x=1,y=2,b" -> [("a", {"x": "1", "y": "2"}), ("b", {})].

    A comma starts a new component unless `key=` follows it; `\\,` is a comma inside a value.
    """
    parts: list[tuple[str, dict[str, str]]] = []
    for piece in _COMMA.split(text):
        if _OPTION.match(piece):
            if not parts:
                raise UsageError(f"{text!r} starts with an option; a name comes first, as in name:key=value")
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
    if not equals or not key:
        raise UsageError(f"{text!r}: {piece!r} is not key=value")
    if key in options:
        raise UsageError(f"{text!r} gives {key} twice")
    options[key] = value.replace("\\,", ",")


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
