"""HOWTO_PLUGIN.md is followed from top to bottom: files are written, commands run, outputs compared."""

import json
import re
import shutil
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from support.environments import Shell
from support.pages import REPOSITORY, pattern

from stackkit.scaffold import project

PAGE = (REPOSITORY / "HOWTO_PLUGIN.md").read_text(encoding="utf-8")
EXAMPLE = REPOSITORY / "docs" / "examples" / "stackkit-colour-histogram"

BLOCK = re.compile(r"^(?:\*\*`([^`]+)`\*\*\n)?```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = BLOCK.findall(PAGE)
FILES = {path: text for path, _, text in BLOCKS if path}
LEFTOVERS = {"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", "dist"}


def test_every_block_is_a_file_a_command_an_output_or_a_part_of_a_file() -> None:
    assert len(BLOCKS) == PAGE.count("```") / 2
    kinds = ["file" if path else language for path, language, _ in BLOCKS]
    assert set(kinds) == {"file", "sh", "text", "toml"}
    assert [before for before, kind in pairwise(kinds) if kind == "text"] == ["sh"] * kinds.count("text")


def test_every_command_is_followed_by_its_output() -> None:
    kinds = ["file" if path else language for path, language, _ in BLOCKS]
    assert kinds.count("sh") == kinds.count("text")


def content(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not LEFTOVERS.intersection(path.parts)
    }


def test_the_example_is_what_new_plugin_writes_with_the_pages_files(tmp_path: Path) -> None:
    names = project.names("colour-histogram")
    folder, _ = project.write(names, ["backbone"], tmp_path)
    (part,) = (text for _, language, text in BLOCKS if language == "toml")
    assert part in (folder / "pyproject.toml").read_text()
    test = "tests/test_conformance.py"
    assert (folder / test).read_text() == FILES[test]
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    assert content(EXAMPLE) == content(folder), f"copy {folder} to {EXAMPLE}"


@dataclass(frozen=True)
class Step:
    """A command of the page, its output, and the output that the page shows."""

    command: str
    printed: str
    expected: str


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory, bird_folder: Path, installed: Path) -> Shell:
    """A folder with `birds`, and an environment with stackkit."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(bird_folder, folder / "birds")
    return Shell(folder, installed, home=tmp_path_factory.mktemp("page-home"))


@pytest.fixture(scope="module")
def steps(shell: Shell) -> list[Step]:
    """Every command of the page with its output, in one working directory that commands change."""
    steps: list[Step] = []
    where = shell.folder
    for path, language, text in BLOCKS:
        if path:
            (where / path).write_text(text, encoding="utf-8")
        elif language == "sh":
            # pip would make an environment for each build alone, which takes as long as the rest.
            build = "export PIP_NO_BUILD_ISOLATION=0\n" if text.startswith("pip") else ""
            printed = shell.run(f"{build}cd '{where}'\n{text}\npwd >{shell.home}/where").stdout
            where = Path((shell.home / "where").read_text().strip())
            steps.append(Step(text, printed, ""))
        elif language == "text":
            steps[-1] = Step(steps[-1].command, steps[-1].printed, text)
    return steps


def test_every_command_prints_what_the_page_shows(steps: list[Step]) -> None:
    for step in steps:
        found = pattern(step.expected).fullmatch(step.printed.strip())
        assert found, f"{step.command}\nprinted\n{step.printed}\nnot\n{step.expected}"


def test_outputs_may_differ_in_decimals_and_where_the_page_has_dots() -> None:
    expected = pattern("logistic brightness 33.3 -1.5 best\n...\n2 passed in 1.00s")
    assert expected.fullmatch("logistic  brightness  50.0 +0.2  best\n and more\n2 passed in 0.31s")
    assert not expected.fullmatch("logistic  brightness  50.0 +0.2  best\n and more\n3 passed in 0.31s")


def test_a_single_file_is_used_without_being_installed(shell: Shell, steps: list[Step]) -> None:
    listing = "stackkit run --dataset image-folder:root=birds --backbones brightness 2>&1 || true"
    assert "unknown backbone 'brightness'" in shell.run(listing).stdout


def test_the_wheel_can_be_installed_beside_stackkit(shell: Shell, steps: list[Step]) -> None:
    shell.run("pip install --no-deps --force-reinstall stackkit-colour-histogram/dist/*.whl")
    code = "import stackkit, stackkit_colour_histogram as s; print(stackkit.__file__); print(s.__file__)"
    printed = shell.run(f"cd birds && python -c '{code}'").stdout.split()
    assert [Path(path).is_relative_to(shell.environment) for path in printed] == [True, True]


def test_the_report_has_the_plugin_with_distribution_and_version(
    shell: Shell, steps: list[Step]
) -> None:
    done = shell.run(
        "stackkit run --dataset image-folder:root=birds --backbones colour-histogram:bins=3"
        " --learner logistic --aggregator soft-vote --cv 3 --json"
    )
    report = json.loads(done.stdout)
    (backbone,) = (part for part in report["components"] if part["kind"] == "backbone")
    assert backbone["name"] == "colour-histogram/colour-histogram"
    assert backbone["options"] == {"bins": 3}
    assert (backbone["distribution"], backbone["version"]) == ("stackkit-colour-histogram", "0.1.0")
    assert report["n_images"] == 18
    assert report["failed_images"] == []


def test_an_invalid_option_is_one_line_with_exit_code_2(shell: Shell, steps: list[Step]) -> None:
    failing = "stackkit run --dataset image-folder:root=birds --backbones colour-histogram:bins=99"
    done = shell.run(f"{failing} || echo exit code $?")
    assert "exit code 2" in done.stdout
    assert "bins must be from 1 to 16, got 99" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
