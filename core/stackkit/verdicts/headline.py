"""Which row a report is about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def headline_of(document: dict[str, Any]) -> int:
    """Return the position of the row that a report is about.

    That of the verdicts; without verdicts, as `headline_among` says. `document` is the content of
    report.json.
    """
    if verdicts := document.get("verdicts"):
        return int(verdicts["headline"])
    results = document["results"]
    return headline_among([each["kind"] for each in results], [each["accuracy"] for each in results])


def headline_among(kinds: Sequence[str], accuracies: Sequence[float]) -> int:
    """Return the position of the first aggregator or, if there is none, of the most accurate row."""
    if "aggregator" in kinds:
        return kinds.index("aggregator")
    return max(range(len(kinds)), key=lambda number: accuracies[number])
