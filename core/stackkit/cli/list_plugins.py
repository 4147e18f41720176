"""`stackkit list-plugins`: list components with their status, or show some of them in full."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import asdict
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stackkit.api.errors import PluginError, UsageError
from stackkit.api.specs import SPEC_TYPES, Kind
from stackkit.cli import options
from stackkit.cli.host import the_host
from stackkit.cli.output import print_csv, print_json, stdout_set_aside, terminal_width
from stackkit.utils.console import say

if TYPE_CHECKING:
    from stackkit.host.component import Component
    from stackkit.host.host import Host
    from stackkit.host.registry import Registry

KINDS: tuple[Kind, ...] = tuple(SPEC_TYPES)


def list_plugins(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Show this component, or all of a pattern.")
    ] = None,
    kind: Annotated[
        Kind | None, typer.Option("--kind", help="Show only components of one kind.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="List all plugins, also those that loaded well.")
    ] = False,
    timings: Annotated[bool, typer.Option("--timings", help="Show how long each import took.")] = False,
    as_json: options.Json = False,
    as_csv: options.Csv = False,
) -> None:
    """List components and their status, or show one in full.

    With NAME, show what a component is, its options with their defaults and allowed values, and what
    to do if something is missing. NAME is a component, a pattern such as 'resnet*', or a plugin.

    Try: stackkit list-plugins resnet50
    """
    output = options.output_format(as_json=as_json, as_csv=as_csv)
    # Only here, as in all commands: `stackkit --help` imports every command's module.
    from stackkit.cli.plugin_tables import show_component, show_timings
    from stackkit.host.registry import Registry

    host = the_host()
    registry = Registry(host=host)
    kinds = (kind,) if kind else KINDS
    found = [component for component in host.components if component.kind in kinds]
    if name is not None:  # first: asking all 60 what is missing would take most of the time
        found = _named(registry, found, name)
    with stdout_set_aside():  # asking what is missing calls code of plugins
        entries = [_entry(registry, component) for component in found]
    if output == "csv":  # options do not fit into a table
        print_csv([{key: entry[key] for key in entry if key != "options"} for entry in entries])
        return
    if output == "json":
        print_json(_document(host, entries))
        return
    if name is None:
        _show_kinds(kinds, entries, host, everything=everything)
    else:
        for entry in entries:
            show_component(entry, terminal_width())
    if timings:
        show_timings(host.plugins)
    if name is None:
        say()
        say("Run `stackkit list-plugins NAME` for options, and for what is missing.")


def _document(host: Host, entries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    plugins = [
        asdict(record) | {"status": record.status, "slow": record.is_slow} for record in host.plugins
    ]
    return {"plugins": plugins, "components": entries, "notes": host.notes}


def _show_kinds(
    kinds: Sequence[Kind], entries: Sequence[dict[str, Any]], host: Host, *, everything: bool
) -> None:
    """Show a table of the components of each kind, and the plugins."""
    from stackkit.cli.plugin_tables import show_kind, show_plugins

    width = terminal_width()
    for each in kinds:
        show_kind(each, [entry for entry in entries if entry["kind"] == each], width)
    show_plugins(host.plugins, everything=everything)


def _named(registry: Registry, components: Sequence[Component], name: str) -> list[Component]:
    """Return the components that a name or pattern matches, or those of the plugin of that name."""
    found = [
        component
        for component in components
        if fnmatchcase(component.spec.name, name) or fnmatchcase(component.qualified_name, name)
    ]
    found = found or [component for component in components if component.plugin == name]
    if found:
        return found
    for record in registry.host.plugins:
        if record.error and fnmatchcase(record.name, name.partition("/")[0]):
            raise PluginError(
                f"plugin {record.name} ({record.distribution} {record.version}) failed at "
                f"{record.stage}: {record.error}"
            )
    # The registry's own error would name one kind, and NAME may be of any.
    known = [registry.short_name(component) for component in components]
    known += [component.plugin for component in components]
    close = difflib.get_close_matches(name.strip("*?"), dict.fromkeys(known), n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}?" if close else "`stackkit list-plugins` shows all names"
    raise UsageError(f"no component or plugin matches {name!r}; {hint}")


def _entry(registry: Registry, component: Component) -> dict[str, Any]:
    """Describe a component, with what keeps it from running now."""
    from stackkit.host.requirements import missing_requirements

    spec = component.spec
    missing = missing_requirements(spec)
    unavailable_reason = missing or registry.default(component).unavailable_reason()
    return {
        "kind": component.kind,
        "name": registry.short_name(component),
        "qualified_name": component.qualified_name,
        "plugin": component.plugin,
        "distribution": component.distribution,
        "version": component.version,
        "summary": spec.summary,
        "image_size": getattr(spec, "image_size", None),
        "feature_dim": getattr(spec, "feature_dim", None),
        "download_bytes": getattr(spec, "download_bytes", None),
        "options": [
            {
                "name": option.name,
                "type": option.value_type.__name__,
                "default": option.default,
                "choices": list(option.choices),
                "words": list(option.words),
                "minimum": option.minimum,
                "maximum": option.maximum,
                "above": option.above,
                "help": option.help,
                "deprecated": option.deprecated,
                "several": option.several,
                "added": option not in spec.options,
            }
            for option in component.options
        ],
        "probabilities": getattr(spec, "probabilities", None),
        "requires": list(spec.requires),
        "install": spec.install,
        "status": "unavailable" if missing else "not ready" if unavailable_reason else "ok",
        "unavailable_reason": unavailable_reason,
    }
