"""docs/testing.md lists every promise as the kit has it.

After a change of the promises: `python tests/docs/test_testing_page.py` writes the table anew.
"""

import re
from pathlib import Path

from stackkit.testing.checks import aggregator, backbone, component, dataset, learner, plugin

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "testing.md"
TABLE = re.compile(r"(?<=<!-- promises -->\n).*?(?=<!-- end of promises)", re.DOTALL)
PARTS = {
    "Any plugin": plugin,
    "Any component": component,
    "A dataset": dataset,
    "A backbone": backbone,
    "A learner": learner,
    "An aggregator": aggregator,
}


def table() -> str:
    parts = []
    for title, module in PARTS.items():
        rows = [f"| `{each.name}` | {each.sentence} | {each.remedy} |" for each in module.PROMISES]
        parts.append(
            "\n".join([f"### {title}\n", "| promise | | if broken |", "| --- | --- | --- |", *rows])
        )
    return "\n" + "\n\n".join(parts) + "\n\n"


def test_the_page_has_every_promise_in_the_kits_words() -> None:
    assert TABLE.findall(PAGE.read_text(encoding="utf-8")) == [table()]


def test_promises_have_names_of_their_own_and_say_what_is_promised() -> None:
    for module in PARTS.values():
        names = [each.name for each in module.PROMISES]
        assert len(set(names)) == len(names)
        assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name in names)
        assert all(
            each.sentence.endswith(".") and not each.remedy.endswith(".") for each in module.PROMISES
        )


if __name__ == "__main__":
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(TABLE.sub(lambda found: table(), page), encoding="utf-8")
