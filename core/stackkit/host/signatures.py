"""Tell how a component's callables and the options that its spec declares contradict each other."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from typing import Any

from stackkit.api.specs import ComponentSpec


def contradiction(
    spec: ComponentSpec, role: str, function: Callable[..., Any], keywords: Collection[str]
) -> str:
    """Why `function`, which the spec's field `role` names, cannot take these keywords, or "".

    Asked after a call has failed: a signature may say less than a function can take.
    """
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # what is written in C need not have one
        return ""
    named = [each for each in parameters if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]
    missing = [each.name for each in named if each.default is each.empty and each.name not in keywords]
    if missing:
        return (
            f"its {role} wants {missing[0]!r}, which no option is called; declare "
            f"Option(name={missing[0]!r}, ...) in the spec of {spec.name}"
        )
    if any(each.kind == each.VAR_KEYWORD for each in parameters):
        return ""
    return _unwanted(spec, role, [key for key in keywords if key not in {each.name for each in named}])


def _unwanted(spec: ComponentSpec, role: str, keywords: Collection[str]) -> str:
    if not keywords:
        return ""
    what = ", ".join(map(repr, keywords))
    if {option.name for option in spec.options}.issuperset(keywords):
        return f"the {role} of {spec.name} takes no option {what} that its spec declares"
    return f"the {role} of {spec.name} takes no keyword {what}"
