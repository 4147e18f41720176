"""Tell which of the distributions that a component requires are absent."""

from __future__ import annotations

import re
import shlex
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from importlib.util import find_spec

from stackkit.api.specs import ComponentSpec


def missing_requirements(spec: ComponentSpec) -> str | None:
    """Text "needs X; run: pip install ..." if a required distribution is absent, else None."""
    absent = [name for name in spec.requires if not _is_installed(name)]
    if not absent:
        return None
    if misnamed := [said for name in absent if (said := _as_distribution(name))]:
        return f"needs {', '.join(absent)}; {'; '.join(misnamed)}"
    command = spec.install or f"pip install {shlex.join(absent)}"
    return f"needs {', '.join(absent)}; run: {command}"


def _is_installed(requirement: str) -> bool:
    name = re.split(r"[\s~=!<>]", requirement, maxsplit=1)[0]
    try:
        found = version(name)
    except PackageNotFoundError:
        return False
    if name == requirement:
        return True
    from packaging.requirements import Requirement  # most components name no version

    return Requirement(requirement).specifier.contains(found, prereleases=True)


@cache
def _as_distribution(name: str) -> str:
    """What to say of an absent distribution whose name is that of a module which is there, or ""."""
    try:
        found = name.isidentifier() and find_spec(name)
    except ValueError:  # a module without a spec, such as __main__
        return ""
    if not found or not (whose := packages_distributions().get(name)):  # which reads all that is there
        return ""
    return f"{name} is a module; its distribution is {' or '.join(whose)}: write that in requires="
