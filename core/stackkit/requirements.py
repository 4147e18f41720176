"""Tell which of the distributions that a component requires are absent."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from importlib.util import find_spec

from stackkit.host import Component


def missing_requirements(component: Component) -> str | None:
    """Text "needs X; run: pip install ..." if a required distribution is absent, else None."""
    absent = [name for name in component.spec.requires if not _is_installed(name)]
    if not absent:
        return None
    if misnamed := [said for name in absent if (said := _as_distribution(name))]:
        return f"needs {', '.join(absent)}; {'; '.join(misnamed)}"
    command = component.spec.install or f"pip install {' '.join(absent)}"
    return f"needs {', '.join(absent)}; run: {command}"


def _is_installed(distribution: str) -> bool:
    try:
        version(distribution)
    except PackageNotFoundError:
        return False
    return True


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
