"""From names and patterns that users type to the components they mean."""

from __future__ import annotations

import difflib
import os
import re
import shlex
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property

from stackkit.api.errors import PluginError, StackkitError, UsageError
from stackkit.api.specs import Kind, Option, OptionValue
from stackkit.host.component import Component, ConfiguredComponent
from stackkit.host.host import Host, PluginRecord
from stackkit.host.option_syntax import parse, unparse
from stackkit.host.single_file import named_files

_OPTION_BEHIND_COLON = re.compile(r":(\w+)=.*")

MOST_LISTED = 12
"""More names than this do not fit an error of one line."""


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
        return self._by_kind[kind]

    def one(self, kind: Kind, text: str) -> ConfiguredComponent:
        """The one component that `text` means; raises UsageError otherwise."""
        choices = self.several(kind, [text])
        if len(choices) != 1:
            raise UsageError(f"one {kind} is wanted; {text!r} means {len(choices)}")
        return choices[0]

    def several(self, kind: Kind, texts: Iterable[str]) -> list[ConfiguredComponent]:
        """All components that names, comma lists and glob patterns mean, in that order.

        Asking twice for the same component with the same options is one choice.
        """
        choices: dict[str, ConfiguredComponent] = {}
        for text in texts:
            for name, options, before in _with_their_commas(text):
                for component in self._matching(kind, name, before):
                    choice = self._choose(component, options)
                    choices.setdefault(choice.text, choice)
        return list(choices.values())

    def short_name(self, component: Component) -> str:
        """The shortest name that means this component and no other."""
        same = self._called(component.kind, component.spec.name)
        own = [rival for rival in same if rival.is_own]
        unambiguous = own == [component] or (not own and len(same) == 1)
        return component.spec.name if unambiguous else component.qualified_name

    def default(self, component: Component) -> ConfiguredComponent:
        """A component with nothing but its default options."""
        return self._choose(component, {})

    @cached_property
    def _by_kind(self) -> Mapping[Kind, list[Component]]:
        found = defaultdict[Kind, list[Component]](list)
        for component in self.host.components:
            found[component.kind].append(component)
        return found

    @cached_property
    def _by_name(self) -> Mapping[tuple[Kind, str], list[Component]]:
        found = defaultdict[tuple[Kind, str], list[Component]](list)
        for component in self.host.components:
            found[component.kind, component.spec.name].append(component)
        return found

    def _called(self, kind: Kind, name: str) -> list[Component]:
        return self._by_name[kind, name]

    def _matching(self, kind: Kind, name: str, comma_hint: str) -> list[Component]:
        if any(sign in name for sign in "*?["):
            matches = [
                component
                for component in self.of_kind(kind)
                if fnmatchcase(component.spec.name, name) or fnmatchcase(component.qualified_name, name)
            ]
            if not matches:
                raise self._unknown(kind, name, f"no {kind} matches {name!r}", comma_hint)
            return matches
        return [self._named(kind, name, comma_hint)]

    def _named(self, kind: Kind, name: str, comma_hint: str) -> Component:
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
        raise self._unknown(kind, name, f"unknown {kind} {name!r}", comma_hint)

    def _unknown(self, kind: Kind, name: str, said: str, comma_hint: str) -> StackkitError:
        """Whose name it was, if the user named a plugin that failed; else what was probably meant."""
        plugin = name.partition("/")[0]
        files = set(map(str, named_files(os.environ)))
        failed = [record for record in self.host.plugins if record.error]
        meant = [record for record in failed if fnmatchcase(record.name, plugin)]
        meant += [record for record in failed if record.distribution in files and record not in meant]
        if meant:
            return PluginError(f"{'; '.join(map(_failure, meant))}; hence {said}")
        return UsageError(f"{said}{self._hint(kind, name)}{comma_hint}")

    def _hint(self, kind: Kind, name: str) -> str:
        known = [self.short_name(component) for component in self.of_kind(kind)]
        broken = [record.name for record in self.host.plugins if record.error]
        note = f" (failed to load: {', '.join(broken)}; see `stackkit list-plugins`)" if broken else ""
        if close := difflib.get_close_matches(name.strip("*?"), known, n=3, cutoff=0.5):
            return f"; did you mean {' or '.join(close)}?{note}"
        if len(known) > MOST_LISTED:
            return f"; `stackkit list-plugins --kind {kind}` shows all {len(known)}{note}"
        return f"; there is {', '.join(known) or 'none'}{note}"

    def _choose(self, component: Component, given: Mapping[str, str]) -> ConfiguredComponent:
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
            raise UsageError(f"{name}: {error}{_colon_hint(given, declared)}") from None
        defaults = {option.name: option.default for option in declared.values()}
        return ConfiguredComponent(
            component=component,
            options=defaults | values,
            name=name,
            unadorned=unadorned,
            remarks=tuple(_deprecations(declared[key] for key in given)),
        )


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


def _with_their_commas(text: str) -> Iterator[tuple[str, dict[str, str], str]]:
    """Each name of a text with its options, and what to say of the comma before an unknown one."""
    hint = ""
    before: tuple[str, dict[str, str]] = ("", {})
    for name, options in parse(text):
        if before[1]:
            key, value = list(before[1].items())[-1]
            whole = unparse(before[0], {**before[1], key: f"{value},{name}"})
            hint = f"; if the comma belongs to {key}=, write {shlex.quote(whole)}"
        yield name, options, hint
        before = name, options


def _deprecations(given: Iterable[Option]) -> Iterator[str]:
    for option in given:
        if option.deprecated:
            yield f"{option.name}= is deprecated; {option.deprecated}"


def _colon_hint(given: Mapping[str, str], declared: Mapping[str, Option]) -> str:
    """What to say if a value seems to hold another option behind a colon."""
    for text in given.values():
        found = _OPTION_BEHIND_COLON.search(text)
        if found and found[1] in declared:
            return f"; options are joined by commas: ...,{found[0][1:]}"
    return ""


def _failure(record: PluginRecord) -> str:
    whose = f"{record.distribution} {record.version}"
    return f"plugin {record.name} ({whose}) failed at {record.stage}: {record.error}"


def _option_hint(key: str, declared: Mapping[str, Option]) -> str:
    if close := difflib.get_close_matches(key, declared, n=1):
        return f"; did you mean {close[0]}?"
    return f"; it has {', '.join(declared) or 'none'}"
