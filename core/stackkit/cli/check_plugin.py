"""`stackkit check-plugin`: whether a plugin keeps what stackkit relies on, and what to do if not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from stackkit.api.errors import PluginError, UsageError
from stackkit.cli import options
from stackkit.cli.output import print_json, stdout_set_aside
from stackkit.host.timeout import CHECK_S

if TYPE_CHECKING:
    from stackkit.testing.cases import Case
    from stackkit.testing.check import Verdict

    Judged: TypeAlias = Sequence[tuple[Case, Verdict]]


def check_plugin(
    name: Annotated[
        str, typer.Argument(help="A plugin's, a module's or a distribution's name, or a file.")
    ],
    components: Annotated[
        list[str] | None,
        typer.Option("--component", help="Try these only, with options: my-net:weights=random"),
    ] = None,
    images: Annotated[
        list[Path] | None, typer.Option("--image", help="Image files to try backbones with, too.")
    ] = None,
    time_limit: Annotated[
        float, typer.Option("--time-limit", min=1, help="Seconds that one promise may take.")
    ] = CHECK_S,
    as_json: options.Json = False,
) -> None:
    """Try a plugin and its components: one line for each promise, and the remedy if it is broken.

    Try: stackkit check-plugin logistic
    """
    from stackkit.testing.cases import cases, not_tried, wish

    judged: list[tuple[Case, Verdict]] = []
    with stdout_set_aside():
        every = cases(name, wish(name, components or (), images or ()))
    for case in every:
        with stdout_set_aside():
            verdict = case.judge(time_limit)
        judged.append((case, verdict))
        if not as_json:
            _show(case, verdict)
    untried = not_tried(judged)
    if as_json:
        promises = [_entry(*pair) for pair in judged]
        print_json({"name": name, "promises": promises, "not_tried": untried})
    else:
        _sum_up(name, judged, untried)
    _refuse(name, judged, untried)


def _sum_up(name: str, judged: Judged, untried: Mapping[str, str]) -> None:
    for component, reason in untried.items():
        typer.secho(f"nothing of {component} was tried: {reason}", bold=True)
    counts = Counter(verdict.word for _, verdict in judged)
    line = f"{name}: {counts['kept']} kept, {counts['BROKEN']} broken, {counts['skipped']} skipped"
    typer.echo(line + (f"; NOT TRIED: {', '.join(untried)}" if untried else ""))


def _refuse(name: str, judged: Judged, untried: Mapping[str, str]) -> None:
    """End in another exit code than 0 unless all that was asked for is sound."""
    broken = [case.id for case, verdict in judged if verdict.word == "BROKEN"]
    if broken:
        raise PluginError(f"{name} breaks {', '.join(broken)}")
    if untried:
        raise UsageError(
            f"nothing of {', '.join(untried)} was tried; --component NAME:key=value gives it what it "
            "wants, and --component names what else is to be tried"
        )


def _show(case: Case, verdict: Verdict) -> None:
    found = f"  {' '.join(verdict.found.split())}" if verdict.found else ""
    typer.secho(f"{verdict.word:<8} {case.id}{found}", bold=verdict.word == "BROKEN")
    if verdict.word == "BROKEN":
        typer.echo(f"{'':<8} remedy: {verdict.remedy}")


def _entry(case: Case, verdict: Verdict) -> dict[str, Any]:
    kind, component, promise = case.id.split(":")
    return {
        "id": case.id,
        "kind": kind,
        "component": component,
        "promise": promise,
        "sentence": case.promise.sentence,
        "verdict": verdict.word,
        "found": verdict.found,
        "remedy": verdict.remedy,
    }
