"""`stackkit list-plugins`: everything installed, working or not, and what each needs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stackkit.api.errors import plain
from stackkit.api.specs import Kind
from stackkit.cli import options
from stackkit.cli.host import the_host
from stackkit.cli.output import print_json, stdout_set_aside

if TYPE_CHECKING:
    from stackkit.host.host import Host, PluginRecord
    from stackkit.host.registry import Registry

KINDS: tuple[Kind, ...] = ("dataset", "backbone", "learner", "aggregator")


def list_plugins(
    kind: Annotated[
        Kind | None, typer.Option("--kind", help="Show components of this kind only.")
    ] = None,
    timings: Annotated[
        bool,
        typer.Option("--timings", help="Say how long each plugin's import took, and why."),
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Show every plugin, what it offers with which options, and what is missing for it to run.

    Try: stackkit list-plugins --kind backbone
    """
    from stackkit.host.registry import Registry

    host = the_host()
    registry = Registry(host=host)
    kinds = (kind,) if kind else KINDS
    with stdout_set_aside():  # asking what is lacking runs plugins' code
        components = [
            _entry(registry, component) for component in host.components if component.kind in kinds
        ]
    if as_json:
        plugins = [
            asdict(record) | {"status": record.status, "slow": record.is_slow} for record in host.plugins
        ]
        print_json({"plugins": plugins, "components": components, "notes": host.notes})
        return
    for each in kinds:
        _show_kind(each, [entry for entry in components if entry["kind"] == each])
    _show_plugins(host)
    if timings:
        _show_timings(host)


def _entry(registry: Registry, component: Any) -> dict[str, Any]:
    from stackkit.host.requirements import missing_requirements

    missing = missing_requirements(component.spec)
    unavailable_reason = registry.default(component).unavailable_reason()
    return {
        "kind": component.kind,
        "name": registry.short_name(component),
        "qualified_name": component.qualified_name,
        "plugin": component.plugin,
        "distribution": component.distribution,
        "version": component.version,
        "summary": component.spec.summary,
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
            }
            for option in component.spec.options
        ],
        "requires": list(component.spec.requires),
        "install": component.spec.install,
        "status": "unavailable" if missing else "not ready" if unavailable_reason else "ok",
        "unavailable_reason": unavailable_reason,
    }


def _show_kind(kind: str, entries: list[dict[str, Any]]) -> None:
    typer.secho(f"{kind}s", bold=True)
    for entry in entries:
        origin = f"{entry['distribution']} {entry['version']}, plugin {entry['plugin']}"
        typer.echo(f"  {entry['name']:<24} {entry['status']:<15} {plain(entry['summary'])}  [{origin}]")
        if entry["options"]:
            typer.echo(
                f"  {'':<24} options: {'  '.join(_option(option) for option in entry['options'])}"
            )
        if entry["unavailable_reason"]:
            typer.echo(f"  {'':<24} {entry['unavailable_reason']}")
    if not entries:
        typer.echo("  none")
    typer.echo()


def _option(option: dict[str, Any]) -> str:
    """Text `key=default`, and behind it what else may be said: fit_on=in-sample|out-of-fold.

    One that is going to go is marked: size=none (deprecated: use side=).
    """
    default = _text(option["default"])
    others = [text for each in option["choices"] + option["words"] if (text := _text(each)) != default]
    mark = f" (deprecated: {option['deprecated']})" if option["deprecated"] else ""
    return f"{option['name']}={'|'.join([default, *others])}{mark}"


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool | None) else str(value)


def _show_plugins(host: Host) -> None:
    typer.secho("plugins", bold=True)
    for record in host.plugins:
        origin = f"{record.distribution} {record.version}"
        typer.echo(f"  {record.name:<24} {record.status:<15} {origin}{_failure(record)}")
        for complaint in record.warnings:
            typer.echo(f"  {'':<24} at {complaint.stage}: {complaint.reason}")


def _failure(record: PluginRecord) -> str:
    return f"  failed at {record.stage}: {record.error}" if record.error else ""


def _show_timings(host: Host) -> None:
    typer.echo()
    typer.secho("imports", bold=True)
    for record in sorted(host.plugins, key=lambda record: -record.import_ms):
        typer.echo(f"  {record.name:<24} {record.import_ms:>8.1f} ms  {_verdict(record)}".rstrip())


def _verdict(record: PluginRecord) -> str:
    """Whether an import is slow, and which heavy modules it brought in."""
    brought = f"imports {', '.join(record.heavy)}" if record.heavy else ""
    return "; ".join(["slow"] * record.is_slow + [brought] * bool(brought))
