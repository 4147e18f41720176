"""Add pages that are no Markdown files of docs/: HOWTO_PLUGIN.md, CHANGELOG.md and the notebook.

The first two stay at the top level of the repository. Their links, and links to them, are written for
readers of the repository. The site has these pages beside its index, so paths are adapted here. The
notebook becomes a page with the outputs that are stored in it.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from properdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("HOWTO_PLUGIN.md", "CHANGELOG.md")
NOTEBOOK = "notebook.ipynb"
LINK = re.compile(r"\]\((?!\w+:)([^)#\s]+)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages as if they were in docs/."""
    for name in PAGES:
        files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    notebook = json.loads((ROOT / "docs" / NOTEBOOK).read_text(encoding="utf-8"))
    text = "\n\n".join(part for cell in notebook["cells"] for part in _parts(cell))
    files.append(File.generated(config, "notebook.md", content=text))
    return files


def _parts(cell: dict[str, Any]) -> Iterator[str]:
    """Yield a cell of the notebook and its outputs as Markdown."""
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        yield source
        return
    yield f"```python\n{source}\n```"
    for output in cell["outputs"]:
        data = output.get("data", {})
        plain = "".join(output.get("text", data.get("text/plain", "")))
        # As one line: a blank line would end the HTML, and Markdown would read the rest.
        shown = " ".join("".join(data.get("text/html", "")).split())
        yield shown or f"```text\n{plain.rstrip()}\n```"


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Adapt links: `docs/x.md` in a page from outside, `../HOWTO_PLUGIN.md` in a page of docs/."""
    here = PurePosixPath(page.file.src_uri)
    if here.name in PAGES:
        return LINK.sub(lambda found: f"]({found[1].removeprefix('docs/')}", markdown)
    above = "../" * len(here.parents)
    return LINK.sub(lambda found: _inside(found[1], above), markdown)


def _inside(target: str, above: str) -> str:
    """`../HOWTO_PLUGIN.md` is one folder nearer in the site."""
    outside = target in [f"{above}{name}" for name in PAGES]
    target = target.removeprefix("../") if outside else target
    return f"]({target.replace(NOTEBOOK, 'notebook.md')}"
