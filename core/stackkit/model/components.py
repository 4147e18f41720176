"""Say in a manifest which components a model needs, and find them again where it is opened."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from stackkit.api.errors import PluginError, UsageError
from stackkit.api.option import OptionValue
from stackkit.bundle import ComponentRecord
from stackkit.host.configured_component import MACHINE, ConfiguredComponent, describe
from stackkit.host.option_syntax import unparse
from stackkit.host.registry import Registry


def component_record(component: ConfiguredComponent) -> ComponentRecord:
    """Return what a manifest says about a component."""
    return ComponentRecord(**describe([component])[0])


def find_component(record: ComponentRecord, registry: Registry) -> ConfiguredComponent:
    """Return the installed component of a record, with its options.

    Raises
    ------
    PluginError
        If it is not installed, or does not take the options.

    """
    offered = {each.qualified_name: each for each in registry.of_kind(record.kind)}
    if (found := offered.get(record.name)) is None:
        origin = f"{record.distribution} {record.version}"
        raise PluginError(
            f"the model needs the {record.kind} {record.name} of {origin}, which is not installed; "
            f"{_remedy(record)}"
        )
    defaults = {option.name: option.default for option in found.options}
    given = {
        name: _value(value)
        for name, value in record.options.items()
        if record.kind != "backbone" or name not in MACHINE  # each machine has its own
    }
    # Only what differs, because some defaults, such as None, cannot be written as text.
    differing = {
        name: value
        for name, value in given.items()
        if name not in defaults or value != defaults[name] or type(value) is not type(defaults[name])
    }
    try:
        configured = registry.one(record.kind, unparse(record.name, differing))
    except UsageError as error:
        raise PluginError(
            f"the model was made with {record.distribution} {record.version}, and the installed version "
            f"{found.version} does not take its options: {error}"
        ) from error
    return _named_alike(configured, record)


def other_version(record: ComponentRecord, component: ConfiguredComponent) -> str:
    """Return a warning if a third party's plugin has another version than in training, or ""."""
    found = component.component
    if found.is_own or (found.distribution, found.version) == (record.distribution, record.version):
        return ""
    return (
        f"the model was made with {record.name} of {record.distribution} {record.version}, and "
        f"{found.distribution} {found.version} is installed, whose answers may differ"
    )


def _remedy(record: ComponentRecord) -> str:
    if record.distribution.endswith(".py"):
        return "pass the file of the plugin with --plugin"
    return f"pip install '{record.distribution}=={record.version}'"


def _value(value: Any) -> OptionValue:
    return tuple(value) if isinstance(value, list) else value


def _named_alike(configured: ConfiguredComponent, record: ComponentRecord) -> ConfiguredComponent:
    """Return the component with the label of training: a seed that the run set is no part of it."""
    if configured.label == record.label or "seed" not in configured.options:
        return configured
    alike = replace(configured, run_defaults={"seed": configured.options["seed"]})
    return alike if alike.label == record.label else configured
