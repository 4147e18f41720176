"""Add pages from outside docs/ to the site: HOWTO_PLUGIN.md and CHANGELOG.md.

Both stay at the top level of the repository. Their links, and links to them, are written for readers
of the repository. The site has these pages beside its index, so paths are adapted here.
"""

import re
from pathlib import Path, PurePosixPath
from typing import Any

from properdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("HOWTO_PLUGIN.md", "CHANGELOG.md")
LINK = re.compile(r"\]\((?!\w+:)([^)#\s]+)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages as if they were in docs/."""
    for name in PAGES:
        files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    return files


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
    return f"]({target.removeprefix('../') if outside else target}"
