"""HOWTO_PLUGIN.md is followed to the letter: its files are written, its commands are run."""

import json
import re
import shutil
from pathlib import Path

import pytest
from environments import Shell, create_environment

REPOSITORY = Path(__file__).resolve().parents[2]
PAGE = (REPOSITORY / "HOWTO_PLUGIN.md").read_text(encoding="utf-8")
EXAMPLE = REPOSITORY / "docs" / "examples" / "stackkit-colour-histogram"

BLOCK = re.compile(r"^(?:\*\*`([^`]+)`\*\*\n)?```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILES = {path: text for path, _, text in BLOCK.findall(PAGE) if path}
COMMANDS = [text for path, language, text in BLOCK.findall(PAGE) if language == "sh" and not path]

NOT_ON_THE_PAGE = {"README.md"}
LEFTOVERS = {"__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", "dist"}


def test_every_block_is_a_file_with_its_path_or_a_command() -> None:
    assert len(FILES) + len(COMMANDS) == len(BLOCK.findall(PAGE)) == PAGE.count("```") / 2
    assert FILES
    assert COMMANDS


def test_the_page_builds_exactly_the_example() -> None:
    example = {
        path.relative_to(EXAMPLE).as_posix(): path.read_bytes()
        for path in EXAMPLE.rglob("*")
        if path.is_file() and not LEFTOVERS.intersection(path.parts)
    }
    page = {name: text.encode() for name, text in FILES.items()}
    assert page == {name: content for name, content in example.items() if name not in NOT_ON_THE_PAGE}


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory, bird_folder: Path) -> Shell:
    """An empty folder in which the page's files were written, and an environment with stackkit."""
    folder = tmp_path_factory.mktemp("project")
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    shutil.copytree(bird_folder, folder / "birds")
    environment = tmp_path_factory.mktemp("environment")
    create_environment(environment)
    shell = Shell(folder, environment, home=tmp_path_factory.mktemp("page-home"))
    shell.run(f"pip install '{REPOSITORY}'")
    return shell


@pytest.fixture(scope="module")
def outputs(shell: Shell) -> list[str]:
    """What the page's commands print, run in the page's order."""
    return [shell.run(command).stdout for command in COMMANDS]


def output_of(text: str, outputs: list[str]) -> str:
    (output,) = (out for command, out in zip(COMMANDS, outputs, strict=True) if text in command)
    return output


def test_the_pages_own_tests_pass(outputs: list[str]) -> None:
    assert re.search(r"\b22 passed, 2 skipped\b", output_of("pytest", outputs))


def test_stackkit_lists_and_uses_the_new_backbone(outputs: list[str]) -> None:
    output = output_of("stackkit run", outputs)
    assert re.search(
        r"^ *colour-histogram +ok .*\[stackkit-colour-histogram 0\.1\.0", output, re.MULTILINE
    )
    assert "options: bins=4" in output
    for name in ("logistic", "average-svm", "soft-vote", "colour-histogram:bins=6"):
        assert re.search(rf"\b{name} .*\d", output), name


def test_a_single_file_is_used_without_being_installed(shell: Shell, outputs: list[str]) -> None:
    assert re.search(r"\baverage-svm .*\d", output_of("--plugin brightness.py", outputs))
    assert (
        "unknown backbone 'brightness'"
        in shell.run(
            "stackkit run --dataset image-folder:root=birds --backbones brightness 2>&1 || true"
        ).stdout
    )


def test_the_wheel_holds_the_plugin(shell: Shell, outputs: list[str]) -> None:
    (wheel,) = (shell.folder / "dist").iterdir()
    assert wheel.name == "stackkit_colour_histogram-0.1.0-py3-none-any.whl"


def test_both_are_installed_into_the_fresh_environment(shell: Shell, outputs: list[str]) -> None:
    code = "import stackkit, stackkit_colour_histogram as s; print(stackkit.__file__); print(s.__file__)"
    printed = shell.run(f"cd birds && python -c '{code}'").stdout.split()
    assert [Path(path).is_relative_to(shell.environment) for path in printed] == [True, True]


def test_the_report_names_the_plugin_its_distribution_and_version(
    shell: Shell, outputs: list[str]
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


def test_a_wrong_option_is_one_line_and_the_exit_code_of_wrong_usage(
    shell: Shell, outputs: list[str]
) -> None:
    failing = "stackkit run --dataset image-folder:root=birds --backbones colour-histogram:bins=99"
    done = shell.run(f"{failing} || echo exit code $?")
    assert "exit code 2" in done.stdout
    assert "bins=99: a number from 1 to 16 is wanted" in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
