"""Why a plugin does not load, and what its author can do about it."""

from __future__ import annotations

from importlib.metadata import Distribution, PackageNotFoundError, distribution, packages_distributions

from stackkit.api.hookspecs import HOOKS
from stackkit.host.discovery import GROUP
from stackkit.host.host import PluginRecord
from stackkit.testing.target import Target

REMEDIES = {
    "find": "correct what is named in the distribution's metadata, in the file's name or in the "
    "requirement of stackkit, and install it again",
    "import": "mend what the module does when it is imported",
    "register": f"name the functions below @hookimpl as stackkit asks for them: {', '.join(HOOKS)}",
    "hook": "mend what the hook does; it returns a list of specs, made of constants",
    "specs": "each hook returns a list of DatasetSpec, BackboneSpec, LearnerSpec or AggregatorSpec",
}
"""By the stage that is named."""

NO_COMPONENT = "put @hookimpl above each hook, and let it return a list of one spec or more"


def remedy(record: PluginRecord, target: Target) -> str:
    """What to do about a plugin that failed at a stage."""
    if record.stage == "import":
        return _remedy_of_import(record.error, target)
    if record.stage == "find" and record.error.startswith("requires stackkit"):
        return "install a stackkit that fits, or widen the requirement in dependencies"
    if record.stage == "register" and "pip install" in record.error:
        return "upgrade stackkit, or lower STACKKIT_HOOKSPEC_VERSION"
    return REMEDIES[record.stage or "specs"]


def _remedy_of_import(error: str, target: Target) -> str:
    absent = error.removeprefix("ModuleNotFoundError: No module named ").strip("'")
    if "SyntaxError" in error or "IndentationError" in error or "TabError" in error:
        return "correct the line that is named"
    if f"{target.module}.".startswith(f"{absent}.") or _lacks_attribute(error, target):
        return f"{_line(target)} in pyproject.toml names it: correct that line and install it again"
    if absent != error:
        return (
            f"install {absent} and name it in dependencies, or import it where the component is made "
            "and name it in requires="
        )
    return REMEDIES["import"]


def _lacks_attribute(error: str, target: Target) -> bool:
    attribute = target.point.value.partition(":")[2].strip()
    return bool(attribute) and f"has no attribute '{attribute}'" in error


def _line(target: Target) -> str:
    return f'entry point {target.name} = "{target.point.value}"'


def undeclared(target: Target) -> tuple[str, str] | None:
    """What is wrong, and its remedy, where a module is installed and no host will ever find it."""
    if target.file or target.point.dist is not None:
        return None
    for owner in _owners(target.module.partition(".")[0]):
        if not any(_is_of(point.module, target) for point in owner.entry_points.select(group=GROUP)):
            groups = ", ".join(sorted({repr(point.group) for point in owner.entry_points})) or "none"
            return (
                f"{owner.name} is installed and has no entry point in the group {GROUP!r} for "
                f"{target.module}, so that no command finds it; its groups: {groups}",
                f'write [project.entry-points.{GROUP}] {target.name} = "{target.module}" into '
                "pyproject.toml and install it again",
            )
    return None


def _is_of(module: str, target: Target) -> bool:
    return module.partition(".")[0] == target.module.partition(".")[0]


def _owners(package: str) -> list[Distribution]:
    """The distributions of a top-level package; an editable one may tell by its name only."""
    found = []
    for name in dict.fromkeys([*packages_distributions().get(package, ()), package]):
        try:
            found.append(distribution(name))
        except PackageNotFoundError:
            continue
    return found
