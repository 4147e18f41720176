"""Complete names of components and their options in the shell."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from stackkit.api.specs import Kind

if TYPE_CHECKING:
    from stackkit.host.component import Component
    from stackkit.host.registry import Registry


_COMPONENT = re.compile(r"[^=]*:")


def complete_components(kind: Kind, *, several: bool = True) -> Callable[[str], list[str]]:
    """Return a function that completes names of a kind, after a colon also options and their values.

    Parameters
    ----------
    kind : str
        "dataset", "backbone", "learner", "aggregator" or "executor".
    several : bool
        Whether a comma-separated list is allowed.

    """

    def complete(incomplete: str) -> list[str]:
        return list(_completions(kind, incomplete, several=several))

    return complete


def complete_recipes(incomplete: str) -> list[str]:
    """Complete the names of recipes; a shell completes files itself."""
    from stackkit.recipe.recipe_file import names

    return [name for name in names() if name.startswith(incomplete)]


def _completions(kind: Kind, incomplete: str, *, several: bool) -> Iterator[str]:
    registry = _registry()
    if registry is None:
        return
    before, comma, last = incomplete.rpartition(",")
    lead = before + comma
    if (several or not lead) and ":" not in last:
        for component in registry.of_kind(kind):
            yield lead + registry.short_name(component)
    # The component that an option here belongs to: the last one whose colon is not part of a value, as
    # in "root=s3://birds".
    pieces = incomplete.split(",")
    named = (piece.partition(":") for piece in reversed(pieces) if _COMPONENT.match(piece))
    name, colon, _ = next(named, ("", "", ""))
    for component in registry.of_kind(kind) if colon else ():
        if name in {registry.short_name(component), component.qualified_name}:
            prefix = f"{lead}{name}:" if _COMPONENT.match(last) else lead
            for text in _options(component):
                yield prefix + text


def _options(component: Component) -> Iterator[str]:
    for option in component.options:
        if option.deprecated:
            continue
        yield f"{option.name}="
        values = option.choices or ((False, True) if option.value_type is bool else ())
        for value in [*values, *option.words]:
            yield f"{option.name}={str(value).lower() if isinstance(value, bool) else value}"


def _registry() -> Registry | None:
    """Return all components, or None if plugins cannot be loaded: a shell must not show errors."""
    from stackkit.api.errors import StackkitError
    from stackkit.cli.output import stdout_set_aside
    from stackkit.host.host import load_host
    from stackkit.host.registry import Registry

    try:
        with stdout_set_aside():
            return Registry(host=load_host())
    except StackkitError:
        return None
