"""Checks of a plugin as a whole, and of how each component is made."""

from __future__ import annotations

from stackkit.api.errors import StackkitError
from stackkit.api.hookspecs import HOOKS
from stackkit.api.specs import load_text
from stackkit.host.host import PluginRecord
from stackkit.host.load_failure import LoadFailure
from stackkit.host.requirements import missing_requirements
from stackkit.testing.check import CheckList, attempt, require, skip
from stackkit.testing.discovery import Target
from stackkit.testing.under_test import ComponentUnderTest, PluginUnderTest, is_crash

_OTHER_OPTIONS = " (give other options: --component NAME:key=value, or options= of conformance)"
NO_COMPONENT = "put @hookimpl above each hook, and return a list of at least one spec from it"
BY_STAGE = {
    "find": "correct the metadata or the file name that the error names, and install the plugin again",
    "import": "fix what the module does when it is imported",
    "register": f"give the functions below @hookimpl the names of stackkit's hooks: {', '.join(HOOKS)}",
    "hook": "fix what the hook does; it returns a list of specs, built from constants",
    "specs": "return a list of specs from each hook: DatasetSpec from stackkit_datasets and so on",
}
BY_FAILURE = {
    "syntax": "correct the line that the error names",
    "stackkit-version": "install a stackkit that fits, or widen the requirement in dependencies",
    "hookspec-version": "upgrade stackkit, or lower STACKKIT_HOOKSPEC_VERSION",
}

CHECKS = CheckList(after=("loads",))


@CHECKS.add(
    "loads", f"{BY_STAGE['specs']}; if an earlier stage fails, its own remedy is shown", after=()
)
def loads(plugin: PluginUnderTest) -> None:
    """The plugin can be imported, and each of its hooks returns a list of specs of its kind."""
    (record,) = plugin.host.plugins
    remedy = _load_remedy(record, plugin.target)
    require(not record.error, f"failed at {record.stage}: {record.error}", remedy)
    why = "".join(f": {each.reason}" for each in record.warnings if each.stage == "register")
    require(plugin.host.components, f"it offers no component{why}", NO_COMPONENT)


def _load_remedy(record: PluginRecord, target: Target) -> str:
    failure = record.failure or LoadFailure()
    module, _, attributes = target.point.value.replace(" ", "").partition(":")
    wrong = f"{module}.".startswith(f"{failure.name}.") or failure.name in attributes.split(".")
    if record.stage == "import" and failure.kind in ("missing-module", "missing-attribute") and wrong:
        line = f'entry point {target.name} = "{target.point.value}"'
        return f"{line} in pyproject.toml names it: correct that line and install it again"
    if record.stage == "import" and failure.kind == "missing-module":
        return (
            f"install {failure.name} and add it to dependencies, or import it where the component is "
            "made and name it in requires="
        )
    return BY_FAILURE.get(failure.kind) or BY_STAGE[record.stage or "specs"]


@CHECKS.add(
    "light-import", "move the work and its imports to a module of their own, and name it in factory="
)
def light_import(plugin: PluginUnderTest) -> None:
    """Listing the plugin imports no NumPy, no framework and no other slow library."""
    heavy = plugin.seen["heavy"]
    require(not heavy, f"listing the plugin imports {', '.join(heavy)}")


@CHECKS.add(
    "pure-hooks",
    "do this in the factory or in the component's methods; download in fetch or when the component is "
    "made, and report what is missing in unavailable_reason=",
    after=("loads", "light-import"),
)
def pure_hooks(plugin: PluginUnderTest) -> None:
    """Importing the plugin and calling its hooks prints nothing, writes no file, uses no network, and
    changes neither the environment nor other libraries.
    """
    actions = plugin.seen["actions"]
    require(not actions, f"importing the plugin or calling its hooks {'; '.join(actions)}")


@CHECKS.add(
    "repeatable-hooks",
    "build the specs from constants: no clock, counter, random number or folder listing",
)
def repeatable_hooks(plugin: PluginUnderTest) -> None:
    """The hooks return the same specs every time and in every process."""
    first, second = plugin.seen["specs"]
    require(first == second, "the hooks return other specs when they are called again")
    here = repr([each.spec for each in plugin.host.components])
    require(first == here, "the hooks return other specs in another process")


COMPONENT_CHECKS = CheckList()


@COMPONENT_CHECKS.add(
    "creation",
    "let the factory take each declared option as a keyword, and raise UsageError, DatasetError or "
    "WeightsError for problems that users can solve",
)
def creation(component: ComponentUnderTest) -> None:
    """The factory takes every option as a keyword, and returns the component or raises one of
    stackkit's errors; `unavailable_reason` can be imported.
    """
    spec = component.component.spec
    if spec.unavailable_reason and not missing_requirements(spec):
        attempt("importing unavailable_reason", lambda: load_text(spec.unavailable_reason))
    if reason := component.configured().unavailable_reason():
        skip(f"the component cannot be used here: {reason}{_OTHER_OPTIONS}")
    outcome = component.outcome
    if isinstance(outcome, StackkitError):
        require(not is_crash(outcome), str(outcome))
        skip(f"the component cannot be made with these options: {outcome}{_OTHER_OPTIONS}")


CREATION = COMPONENT_CHECKS[0]
"""If this check is skipped, there is no object for the other checks."""
