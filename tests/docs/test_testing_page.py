"""docs/how-to/testing.md lists every check of the conformance kit.

After a change of the checks, `python tests/docs/test_testing_page.py` rewrites its tables.
"""

import re
from pathlib import Path

from stackkit.testing.checks import aggregator, backbone, dataset, executor, learner, plugin

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "testing.md"
TABLES = re.compile(r"(?<=<!-- checks -->\n).*?(?=<!-- end of checks)", re.DOTALL)
KINDS = {
    "Any plugin": plugin.CHECKS,
    "Any component": plugin.COMPONENT_CHECKS,
    "A dataset": dataset.CHECKS,
    "A backbone": backbone.CHECKS,
    "A learner": learner.CHECKS,
    "An aggregator": aggregator.CHECKS,
    "An executor": executor.CHECKS,
}


def tables() -> str:
    parts = []
    for title, checks in KINDS.items():
        rows = [f"| `{each.name}` | {each.sentence} | {each.remedy} |" for each in checks]
        parts.append(
            "\n".join([f"### {title}\n", "| check | | if it fails |", "| --- | --- | --- |", *rows])
        )
    return "\n" + "\n\n".join(parts) + "\n\n"


def test_the_page_lists_every_check_in_the_words_of_the_kit() -> None:
    assert TABLES.findall(PAGE.read_text(encoding="utf-8")) == [tables()]


def test_checks_have_unique_names_sentences_and_remedies() -> None:
    for checks in KINDS.values():
        names = [each.name for each in checks]
        assert len(set(names)) == len(names)
        assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name in names)
        assert all(each.sentence.endswith(".") and not each.remedy.endswith(".") for each in checks)
        assert all(after in names for each in checks for after in each.after)


if __name__ == "__main__":
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(TABLES.sub(lambda found: tables(), page), encoding="utf-8")
