"""Which row a report is about."""

from __future__ import annotations

from typing import Any


def headline_of(document: dict[str, Any]) -> int:
    """Return the position of the row that a report is about.

    That of the verdicts; without verdicts, the first aggregator or, if there is none, the most accurate
    row. `document` is the content of report.json.
    """
    if verdicts := document.get("verdicts"):
        return int(verdicts["headline"])
    results = document["results"]
    stacked = [number for number, each in enumerate(results) if each["kind"] == "aggregator"]
    best = max(range(len(results)), key=lambda number: results[number]["accuracy"])
    return stacked[0] if stacked else best
