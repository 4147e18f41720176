"""Find a page of the docs by its file name, so that tests do not depend on the folder it is in."""

import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
DOCS = REPOSITORY / "docs"
EXAMPLES = DOCS / "examples"


def page(name: str) -> Path:
    """The only page of docs/ with this file name, or with this end of its path."""
    (path,) = (path for path in site_pages() if path.match(name))
    return path


def text_of(name: str) -> str:
    """The text of that page."""
    return page(name).read_text(encoding="utf-8")


def site_pages() -> list[Path]:
    """Every page of docs/ except those of the examples."""
    return sorted(path for path in DOCS.rglob("*.md") if not path.is_relative_to(EXAMPLES))


def blocks(text: str, language: str) -> list[str]:
    """The content of every fenced block of that language, in the order of the page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def pattern(expected: str) -> re.Pattern[str]:
    """What a block of output allows: any decimal number for one, anything for `...`."""
    words = [re.escape(word) for word in expected.split()]
    words = [r".*?" if word == re.escape("...") else word for word in words]
    decimals = [re.sub(r"(\\[+-])?\d+\\\.\d+", r"[+-]?\\d+\\.\\d+", word) for word in words]
    return re.compile(r"\s*".join(decimals), re.DOTALL)
