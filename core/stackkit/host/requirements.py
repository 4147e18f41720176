"""Find out which distributions that a component requires are not installed."""

from __future__ import annotations

import re
import shlex
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from importlib.util import find_spec

from stackkit.api.specs import ComponentSpec


def missing_requirements(spec: ComponentSpec) -> str | None:
    """Return "needs X; run: pip install X" if a required distribution is missing, else None."""
    missing = [name for name in spec.requires if not _is_installed(name)]
    if not missing:
        return None
    if misnamed := [hint for name in missing if (hint := _module_hint(name))]:
        return f"needs {', '.join(missing)}; {'; '.join(misnamed)}"
    command = spec.install or f"pip install {shlex.join(missing)}"
    return f"needs {', '.join(missing)}; run: {command}"


def _is_installed(requirement: str) -> bool:
    name = re.split(r"[\s~=!<>]", requirement, maxsplit=1)[0]
    try:
        found = version(name)
    except PackageNotFoundError:
        return False
    if name == requirement:
        return True
    from packaging.requirements import Requirement  # only needed for a requirement with a version

    return Requirement(requirement).specifier.contains(found, prereleases=True)


@cache
def _module_hint(name: str) -> str:
    """Say which distribution to require if a missing one has the name of an installed module, or ""."""
    try:
        found = name.isidentifier() and find_spec(name)
    except ValueError:  # a module without a spec, such as __main__
        return ""
    # Last, because packages_distributions reads the file lists of everything that is installed.
    if not found or not (distributions := packages_distributions().get(name)):
        return ""
    return f"{name} is a module; write its distribution {' or '.join(distributions)} in requires="
