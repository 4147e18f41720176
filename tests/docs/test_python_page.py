"""Every block of how-to/python.md runs, one after the other, and the reference has every name."""

import contextlib
import inspect
import io
from pathlib import Path
from typing import Any

import pytest
from support.models import COLOURS_PLUGIN, coloured_folder
from support.pages import DOCS, blocks

import stackkit

NETWORKS = {"efficientnet-lite0:pooling=max": "colour-shares", "efficientnet-lite0": "mean-colours"}
"""Cheap backbones in place of those on the page."""


def test_every_block_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACKKIT_PLUGIN_FILES", str(COLOURS_PLUGIN))
    monkeypatch.chdir(tmp_path)
    coloured_folder(tmp_path / "photos", 6)
    coloured_folder(tmp_path / "more-photos", 2, seed=7)
    new = coloured_folder(tmp_path / "new-photos", 2, seed=5)
    text = (DOCS / "how-to" / "python.md").read_text(encoding="utf-8")
    for on_page, cheap in NETWORKS.items():
        text = text.replace(f'"{on_page}"', f'"{cheap}"')
    printed, names = io.StringIO(), dict[str, Any]()
    with contextlib.redirect_stdout(printed):
        for number, block in enumerate(blocks(text, "python")):
            if number == 2:
                (new / "broken.png").write_bytes(b"no image")
            exec(compile(block, "python.md", "exec"), names)
    assert "new-photos/blue/000.png blue" in printed.getvalue()
    assert "['new-photos/broken.png']" in printed.getvalue()


@pytest.mark.parametrize("name", stackkit.__all__)
def test_the_reference_has_every_name_and_every_public_method(name: str) -> None:
    reference = (DOCS / "reference" / "python.md").read_text(encoding="utf-8")
    assert f"`stackkit.{name}`" in reference
    thing = getattr(stackkit, name)
    members = vars(thing) if inspect.isclass(thing) else {}
    for each, member in members.items():
        if inspect.isfunction(member) and not each.startswith("_"):
            assert f"```python\n{each}(" in reference
