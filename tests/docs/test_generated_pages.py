"""The pages that docs/generate.py writes match the code and are complete."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stackkit import api
from stackkit.api import hookspecs
from stackkit.cli.main import _app

REPOSITORY = Path(__file__).resolve().parents[2]
DOCS = REPOSITORY / "docs"
REFERENCE = DOCS / "reference"


def generate(docs: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The script of a docs folder, with the modules of this process."""
    return subprocess.run(
        [sys.executable, docs / "generate.py", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    """A copy of the reference in which a page is outdated and one is absent."""
    docs = tmp_path / "docs"
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    shutil.copytree(REFERENCE, docs / "reference")
    shutil.copy(DOCS / "generate.py", docs)
    (docs / "reference" / "gallery.md").write_text("something else")
    (docs / "reference" / "cli.md").unlink()
    return docs


def test_the_pages_are_those_that_are_written(docs: Path) -> None:
    done = generate(docs)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    pages = {path.name: path.read_text() for path in REFERENCE.glob("*.md")}
    written = {path.name: path.read_text() for path in (docs / "reference").glob("*.md")}
    assert [name for name in pages | written if pages.get(name) != written.get(name)] == []


def test_check_names_outdated_pages_and_the_command_that_updates_them(docs: Path) -> None:
    done = generate(docs, "--check")
    assert done.returncode == 1
    assert "docs/reference/hooks.md" not in done.stdout
    assert "docs/reference/gallery.md is not what the code says" in done.stdout
    assert "docs/reference/cli.md is not" in done.stdout
    assert "python docs/generate.py" in done.stdout


@pytest.mark.parametrize("name", [*hookspecs.HOOKS, *api.__all__])
def test_hooks_md_has_every_hook_and_every_name_of_the_api(name: str) -> None:
    page = (REFERENCE / "hooks.md").read_text(encoding="utf-8")
    assert f"`{name}`" in page or f"`stackkit.api.{name}`" in page


@pytest.mark.parametrize("word", ["ordered = True", "classes_", "get_params", "set_params"])
def test_hooks_md_has_members_that_protocols_cannot_declare(word: str) -> None:
    assert f"`{word}`" in (REFERENCE / "hooks.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("alias", ["BoundingBox", "FitOn", "OptionValue"])
def test_hooks_md_explains_type_aliases(alias: str) -> None:
    page = (REFERENCE / "hooks.md").read_text(encoding="utf-8")
    _, _, below = page.partition(f"### `{alias}`")
    assert below.split("```")[2].split("###")[0].strip()


def test_cli_md_has_every_command() -> None:
    page = (REFERENCE / "cli.md").read_text(encoding="utf-8")
    for name, command in _app().commands.items():
        for path in (name, *(f"{name} {each}" for each in getattr(command, "commands", {}))):
            assert f"\n## `stackkit {path}`\n" in page
