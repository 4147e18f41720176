"""`stackkit check-plugin`: check a plugin and its components, and say how to fix what fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stackkit.api.errors import PluginError, UsageError
from stackkit.cli import options, values
from stackkit.cli.output import print_json, stdout_set_aside
from stackkit.utils.console import say

if TYPE_CHECKING:
    from stackkit.testing.cases import Case
    from stackkit.testing.check import Verdict


Name = Annotated[str, typer.Argument(help="Plugin, module or distribution name, or a .py file.")]
Components = Annotated[
    list[str] | None,
    typer.Option(
        "--component",
        metavar="NAME[:OPTIONS]",
        help="Check this component only, as in my-net:weights=random; repeatable.",
    ),
]
Images = Annotated[
    list[Path] | None,
    typer.Option(
        "--image",
        metavar="FILE",
        parser=values.path,
        help="Check backbones with this image too; repeatable.",
    ),
]
TimeLimit = Annotated[
    float | None,
    typer.Option(
        "--time-limit",
        metavar="SECONDS",
        parser=values.number,
        help="Maximum time of each check. Default: 120.",
    ),
]


def check_plugin(
    name: Name,
    components: Components = None,
    images: Images = None,
    time_limit: TimeLimit = None,
    as_json: options.Json = False,
) -> None:
    """Check that a plugin works as stackkit expects.

    Try: stackkit check-plugin logistic
    """
    from stackkit.testing.cases import cases, not_tested, selection
    from stackkit.testing.check import LIMIT_S

    if time_limit is not None and not time_limit >= 1:  # nan is neither
        raise UsageError(f"--time-limit must be at least 1, got {time_limit:g}")
    results: list[tuple[Case, Verdict]] = []
    with stdout_set_aside():
        every = cases(name, selection(name, components or (), images or ()))
    for case in every:
        with stdout_set_aside():
            verdict = case.verdict(time_limit or LIMIT_S)
        results.append((case, verdict))
        if not as_json:
            _show(case, verdict)
    untested = not_tested(results)
    if as_json:
        checks = [_entry(*result) for result in results]
        print_json({"name": name, "checks": checks, "not_tested": untested})
    else:
        _show_counts(name, results, untested)
    if failed := [case.id for case, verdict in results if verdict.status == "FAILED"]:
        raise PluginError(f"{name} fails {', '.join(failed)}")
    if untested:
        raise UsageError(
            f"{', '.join(untested)} could not be tested; give the missing options by --component "
            "NAME:key=value, or name only the other components by --component"
        )


def _show_counts(
    name: str, results: Sequence[tuple[Case, Verdict]], untested: Mapping[str, str]
) -> None:
    for component, reason in untested.items():
        say(f"{component} was not tested: {reason}", bold=True)
    counts = Counter(verdict.status for _, verdict in results)
    words = ", ".join(f"{counts[word]} {word.lower()}" for word in ("passed", "FAILED", "skipped"))
    say(f"{name}: {words}" + (f"; NOT TESTED: {', '.join(untested)}" if untested else ""))


def _show(case: Case, verdict: Verdict) -> None:
    found = f"  {' '.join(verdict.found.split())}" if verdict.found else ""
    say(f"{verdict.status:<8} {case.id}{found}", bold=verdict.status == "FAILED")
    if verdict.status == "FAILED":
        say(f"{'':<8} remedy: {verdict.remedy}")


def _entry(case: Case, verdict: Verdict) -> dict[str, Any]:
    kind, component, check = case.id.split(":")
    return {
        "id": case.id,
        "kind": kind,
        "component": component,
        "check": check,
        "sentence": case.check.sentence,
        "verdict": verdict.status,
        "found": verdict.found,
        "remedy": verdict.remedy,
    }
