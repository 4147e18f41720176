"""Call the functions that a component's spec names, and blame the component for what they raise."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from typing import Any

from stackkit.api.errors import PluginError, blaming
from stackkit.api.specs import ComponentSpec, load_text
from stackkit.host.component import Component
from stackkit.host.timeout import time_limit


def call_code(
    component: Component,
    role: str,
    keywords: Mapping[str, Any],
    seconds: float = 0,
    label: str = "",
    *,
    first: tuple[object, ...] = (),
) -> Any:
    """Call the function that the spec's field `role` names; exceptions become StackkitErrors.

    `seconds` limits the import and the call, each; 0 for no limit. `label` names the component in
    errors that its code raises on purpose. `first` are positional arguments before the keywords.
    """
    culprit = f"{component.qualified_name} ({component.distribution})"
    with blaming_component(component, "cannot be imported", label), time_limit(culprit, seconds):
        function = load_text(getattr(component.spec, role))
    with blaming_component(component, "cannot be used", label), time_limit(culprit, seconds):
        try:
            return function(*first, **keywords)
        except TypeError as error:
            # Only now: a signature may declare less than the function takes (functools.wraps, C).
            if not (mismatch := _mismatch(component.spec, role, function, keywords, len(first))):
                raise
            raise PluginError(f"{_origin(component)} cannot be used: {mismatch}") from error


def _mismatch(
    spec: ComponentSpec,
    role: str,
    function: Callable[..., Any],
    keywords: Collection[str],
    n_positional: int,
) -> str:
    """Say how the parameters of `function` and the options of its spec differ, or ""."""
    try:
        parameters = list(inspect.signature(function).parameters.values())[n_positional:]
    except (TypeError, ValueError):  # functions written in C need not have a signature
        return ""
    named = [each for each in parameters if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]
    for each in named:
        if each.default is each.empty and each.name not in keywords:
            return (
                f"its {role} requires {each.name!r}, which is not an option of {spec.name}; "
                f"add Option(name={each.name!r}, ...) to its spec"
            )
    unknown = [key for key in keywords if key not in {each.name for each in named}]
    if not unknown or any(each.kind == each.VAR_KEYWORD for each in parameters):
        return ""
    what = ", ".join(map(repr, unknown))
    if {option.name for option in spec.options}.issuperset(unknown):
        return f"the {role} of {spec.name} does not accept {what}, declared as an option in its spec"
    return f"the {role} of {spec.name} must accept the keyword {what}"


def blaming_component(component: Component, what: str, label: str = "") -> AbstractContextManager[None]:
    """Return a context in which exceptions of a component's code become a PluginError."""
    hint = ""
    if component.restored:
        names = ", ".join(component.restored)
        hint = (
            f"; the plugin's import changed {names}, which stackkit restored: "
            "make the change in the factory instead"
        )
    return blaming(lambda text: PluginError(f"{_origin(component)} {what}: {text}{hint}"), label)


def _origin(component: Component) -> str:
    return f"{component.qualified_name} ({component.distribution} {component.version})"
