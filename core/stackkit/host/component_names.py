"""Find components by the names and patterns that users type, and suggest names that they may mean."""

from __future__ import annotations

import difflib
import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property

from stackkit.api.errors import PluginError, StackkitError, UsageError
from stackkit.api.specs import Kind
from stackkit.host.component import Component
from stackkit.host.host import Host
from stackkit.host.single_file import named_files

TYPO = 0.75
"""Similarity from 0 to 1, as in difflib, from which a name is a misspelt known one."""

MAX_LISTED = 12
"""Maximum number of names that an error message lists."""


@dataclass(frozen=True, kw_only=True)
class ComponentNames:
    """The names of a host's components."""

    host: Host

    def of_kind(self, kind: Kind) -> list[Component]:
        """Return all components of a kind, sorted by qualified name."""
        return self._by_kind[kind]

    def short_name(self, component: Component) -> str:
        """Return the plain name if it selects this component, else the qualified name."""
        same = self._by_name[component.kind, component.spec.name]
        own = [rival for rival in same if rival.is_own]
        unambiguous = own == [component] or (not own and len(same) == 1)
        return component.spec.name if unambiguous else component.qualified_name

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

    def matching(self, kind: Kind, name: str, comma_hint: str) -> list[Component]:
        """Return all that a name or pattern selects; `comma_hint` ends the error if there is none."""
        if any(sign in name for sign in "*?["):
            matches = [
                component
                for component in self.of_kind(kind)
                if fnmatchcase(component.spec.name, name) or fnmatchcase(component.qualified_name, name)
            ]
            if not matches:
                raise self._not_found(kind, name, f"no {kind} matches {name!r}", comma_hint)
            return matches
        return [self.named(kind, name, comma_hint)]

    def named(self, kind: Kind, name: str, comma_hint: str = "") -> Component:
        """Return the one component that a name selects; raises UsageError or PluginError."""
        for component in self.of_kind(kind):
            if component.qualified_name == name:
                return component
        candidates = self._by_name[kind, name]
        own = [component for component in candidates if component.is_own]
        if len(own or candidates) == 1:
            return (own or candidates)[0]
        if candidates:
            names = " or ".join(f"{c.qualified_name} ({c.distribution})" for c in candidates)
            raise UsageError(f"{kind} {name!r} is ambiguous; use the qualified name: {names}")
        raise self._not_found(kind, name, f"unknown {kind} {name!r}", comma_hint)

    def _not_found(self, kind: Kind, name: str, problem: str, comma_hint: str) -> StackkitError:
        """Blame a plugin that failed to load if the name points to one; else suggest names."""
        plugin = name.partition("/")[0]
        files = set(map(str, named_files(os.environ)))
        failed = [record for record in self.host.plugins if record.error]
        meant = [record for record in failed if fnmatchcase(record.name, plugin)]
        # Who gives a file with --plugin means its components, under names that are not known now; unless
        # the name is nearly one that is known.
        if not self._similar(kind, name, TYPO):
            meant += [each for each in failed if each.distribution in files and each not in meant]
        if meant:
            return PluginError(f"{problem}: {'; '.join(record.failed_as for record in meant)}")
        return UsageError(f"{problem}{self._hint(kind, name)}{comma_hint}")

    def _hint(self, kind: Kind, name: str) -> str:
        failed = [record.name for record in self.host.plugins if record.error]
        note = f" (failed to load: {', '.join(failed)}; see `stackkit list-plugins`)" if failed else ""
        if close := self._similar(kind, name, 0.5):
            return f"; did you mean {' or '.join(close)}?{note}"
        known = [self.short_name(component) for component in self.of_kind(kind)]
        if len(known) > MAX_LISTED:
            return f"; `stackkit list-plugins --kind {kind}` shows all {len(known)}{note}"
        if not known:
            return f"; no {kind} is available{note}"
        return f"; available: {', '.join(known)}{note}"

    def _similar(self, kind: Kind, name: str, cutoff: float) -> list[str]:
        known = [self.short_name(component) for component in self.of_kind(kind)]
        return difflib.get_close_matches(name.strip("*?"), known, n=3, cutoff=cutoff)
