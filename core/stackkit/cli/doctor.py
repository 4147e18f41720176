"""`stackkit doctor`: show what is installed, what is broken, and how to fix it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stackkit import __version__
from stackkit.api.errors import StackkitError
from stackkit.cli import options
from stackkit.cli.output import print_json, stdout_set_aside
from stackkit.utils.console import padded, say

if TYPE_CHECKING:
    from stackkit.doctor import Examination, Finding

MARKS = {"ok": " ", "problem": "!", "blocker": "X"}


def doctor(as_json: options.Json = False) -> None:
    """Check the installation and suggest fixes.

    It checks versions, devices, folders, plugins and what is missing for each component. Problems
    come first, each with its fix. The exit code is not 0 only if no run can work. Nothing is
    downloaded. Attach the output of --json to bug reports.

    Try: stackkit doctor
    """
    from stackkit.doctor import examine

    with stdout_set_aside():  # it calls code of plugins
        examination = examine()
    if as_json:
        print_json(examination.document())
    else:
        _show(examination)
    if blockers := examination.of_state("blocker"):
        _, first = blockers[0]
        raise StackkitError(
            f"no run can work here; {len(blockers)} found, the first: {first.name}: {first.text}; "
            f"{first.remedy}"
        )


def _show(examination: Examination) -> None:
    blockers, problems = examination.of_state("blocker"), examination.of_state("problem")
    say(_summary(len(blockers), len(problems)))
    say()
    for heading, found in (("stops every run", blockers), ("problems", problems)):
        if found:
            say(f"{heading} ({len(found)})", bold=True)
            for _, one in found:
                _show_finding(one)
            say()
    for group, findings in examination.groups.items():
        sound = [one for one in findings if one.state == "ok"]
        if sound:
            say(group, bold=True)
            for one in sound:
                _show_finding(one)
            say()


def _summary(blockers: int, problems: int) -> str:
    usable = f"no run can work here, for {blockers} reasons" if blockers else "runs can work here"
    return f"stackkit {__version__}: {usable}; {problems} problem{'' if problems == 1 else 's'}"


def _show_finding(one: Finding) -> None:
    text = " ".join(one.text.split())
    say(f"{MARKS[one.state]} {padded(one.name, 20)} {text}")
    if one.remedy:
        say(f"  {'':<20} -> {one.remedy}")
