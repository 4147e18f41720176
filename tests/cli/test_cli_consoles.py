"""Whatever stdout and stderr are connected to, commands work and results are kept."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.commands import Command, chosen, photographs, variables

CONSOLES = {
    "closed": (">&- 2>&-", ""),
    "left": ("2>&1 | true", ""),
    "ascii": ("", "ascii"),
    "cp1252": ("", "cp1252"),
}
ROOT = ":smile: 日本"


def ran(console: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    redirection, encoding = CONSOLES[console]
    script = f'set -o pipefail; "$@" {redirection}'
    command = ["bash", "-c", script, "bash", sys.executable, "-m", "stackkit", *map(str, arguments)]
    environment = variables() | ({"PYTHONIOENCODING": encoding} if encoding else {})
    return subprocess.run(
        command, env=environment, capture_output=True, encoding=encoding or "utf-8", check=False
    )


@pytest.fixture
def stored(stackkit: Command, tmp_path: Path) -> list[str | Path]:
    """A command that evaluates stored features of classes with difficult names."""
    root = photographs(tmp_path / ROOT, **{"plate:b:2": 3, "[bold]x": 3, "Müller 日本": 3})
    assert stackkit("extract", *chosen(root)).code == 0
    return ["evaluate", *chosen(root), "--out", tmp_path / "out"]


def test_names_are_printed_literally(stackkit: Command, stored: list[str]) -> None:
    outcome = stackkit(*stored)
    assert f"{ROOT}: 9 images" in outcome.out
    assert f"{ROOT}: 9 images" in outcome.err


@pytest.mark.parametrize(
    "console",
    ["left", *(pytest.param(name, marks=pytest.mark.slow) for name in ("closed", "ascii", "cp1252"))],
)
def test_the_result_of_an_evaluation_is_kept(console: str, stored: list[str], tmp_path: Path) -> None:
    done = ran(console, *stored)
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert "Müller 日本" in report["classes"]
    assert (tmp_path / "out" / "predictions.csv").exists()
    assert "Traceback" not in done.stderr
    if CONSOLES[console][1]:
        assert r":smile: \u65e5\u672c: 9 images" in done.stdout
        assert "soft-vote" in done.stdout


@pytest.mark.parametrize("console", CONSOLES)
def test_a_list_needs_no_console(console: str, stackkit: Command) -> None:
    done = ran(console, "list-plugins", "--kind", "learner")
    assert (done.returncode, done.stderr) == (0, "")
    assert ("logistic" in done.stdout) == bool(CONSOLES[console][1])


def test_in_this_process_stdout_may_be_absent(
    stackkit: Command, monkeypatch: pytest.MonkeyPatch, stored: list[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    for arguments in (["list-plugins", "--kind", "learner"], stored):
        outcome = stackkit(*arguments)
        assert (outcome.code, outcome.out) == (0, ""), outcome.err


def test_usage_errors_show_no_control_characters(stackkit: Command) -> None:
    for arguments in (["run", "--\x1b[31mx"], ["run", "--dataset", "a\x1b[31m\u202eb"]):
        outcome = stackkit(*arguments)
        assert outcome.code == 2
        assert r"\x1b[31m" in outcome.err
        assert "\x1b" not in outcome.err
