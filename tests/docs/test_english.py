"""Code and docs avoid words that make messages and pages hard to read."""

import re
from pathlib import Path

import pytest
from support.pages import REPOSITORY

INSTEAD = {
    "wanted": "'must be ...', 'expected ..., got ...' or 'required'",
    "strangers?": "'third-party plugin'",
    "whoever": "name who it is: 'users who', 'a plugin that'",
    "whatever it be": "'any'",
    "anew": "'again', or the verb with 're': 'recompute', 'rerun'",
    "vouch": "'check', 'verify' or 'guarantee'",
    "misdeeds?": "'problem' or 'side effect'",
    "lacking": "'missing' or 'without'",
    "mend": "'fix', 'repair' or 'correct'",
    "thereof": "name the thing",
    "nay": "leave it out",
    "unadorned": "'plain' or 'default'",
}
"""Refused words as regular expressions, and what to write instead."""

STEMS = {"vouch", "mend"}
"""Words that are refused with every ending, for example 'vouches' and 'mended'."""

ALLOWED = {
    ("lacking", "core/stackkit/api/component_spec.py"),
    ("lacking", "docs/reference/hooks.md"),
    ("lacking", "CHANGELOG.md"),
    ("vouch", "core/stackkit/store/catalogue.py"),
}
"""Names: `lacking` is the deprecated name of `unavailable_reason`, `.vouched` an ending of old files."""

PLACES = ("core", "plugins", "docs", "README.md", "HOWTO_PLUGIN.md", "CHANGELOG.md")
ENDINGS = {".py", ".md", ".toml", ".yml", ".jinja", ".part", ""}


def patterns() -> dict[str, re.Pattern[str]]:
    return {
        word: re.compile(
            rf"(?<![A-Za-z]){word}{'[a-z]*' if word in STEMS else ''}(?![A-Za-z])", re.IGNORECASE
        )
        for word in INSTEAD
    }


def texts(root: Path) -> list[Path]:
    """Every file that people write or read, but no build output."""
    found = [root] if root.is_file() else sorted(root.rglob("*"))
    return [path for path in found if path.is_file() and path.suffix in ENDINGS and not skipped(path)]


def skipped(path: Path) -> bool:
    parts = path.relative_to(REPOSITORY).parts
    return path.stem == "LICENSE" or any(part.startswith((".", "__pycache__")) for part in parts[:-1])


def refused(text: str, name: str) -> list[str]:
    """One line for each refused word in a text: file, line, word and what to write instead."""
    return [
        f"{name}:{number}: {found[0]!r}; write {INSTEAD[word]}"
        for number, line in enumerate(text.splitlines(), start=1)
        for word, pattern in patterns().items()
        if (word, name) not in ALLOWED
        for found in pattern.finditer(line)
    ]


@pytest.mark.parametrize("place", PLACES)
def test_no_refused_words(place: str) -> None:
    found = [
        line
        for path in texts(REPOSITORY / place)
        for line in refused(
            path.read_text(encoding="utf-8", errors="replace"), path.relative_to(REPOSITORY).as_posix()
        )
    ]
    assert not found, "\n".join([f"{len(found)} refused words:", *found])


@pytest.mark.parametrize(
    "text",
    [
        "a number is Wanted",
        "vouches for it",
        "strangers' features",
        "to mend the file",
        "it was mended",
        "`lacking=`",
        "_wanted",
        "Computed anew.",
        "whatever it be",
    ],
)
def test_a_refused_word_is_found_in_any_form(text: str) -> None:
    (line,) = refused(f"first line\n{text}", "docs/page.md")
    assert line.startswith("docs/page.md:2: ")


@pytest.mark.parametrize("text", ["unwanted", "recommend", "amendment", "renaming", "Chinaya"])
def test_other_words_are_not_refused(text: str) -> None:
    assert refused(text, "docs/page.md") == []


def test_a_deprecated_name_is_allowed_where_it_is_documented() -> None:
    assert refused("lacking", "CHANGELOG.md") == []
    assert refused("wanted", "CHANGELOG.md")
