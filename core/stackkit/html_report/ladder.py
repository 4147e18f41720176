"""The rows of the table of results, ready to be shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stackkit.evaluation.table_row import sources
from stackkit.report.rows import against_best_single, step
from stackkit.verdicts.headline import headline_of

KINDS: Mapping[str, str] = {
    "reference": "reference",
    "baseline": "baseline",
    "learner": "one backbone",
    "aggregator": "stack",
}
"""What a reader calls each kind of row."""

FITTED_ON: Mapping[str, str] = {
    "in-sample": "stack, in-sample",
    "out-of-fold": "stack, out-of-fold",
    "features": "joined features",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderRow:
    """A row of the table.

    Parameters
    ----------
    number : int
        Position in the results, then in the references.
    name, sources, tag : str
        The classifier, what feeds it, and what it is.
    figures : mapping of str to Any
        Fields of `Result` as in report.json, with `gain`.
    p : float or None
        Of the comparison with the best single backbone, after Holm's correction.
    gain_interval : sequence of float or None
        Both ends; None for the best single network itself.
    network_s, fit_s : float or None
        Cost in seconds.
    headline, best_single : bool
        Whether the report is about this row, and whether gains are measured against it.

    """

    number: int
    name: str
    sources: str
    tag: str
    figures: Mapping[str, Any]
    p: float | None
    gain_interval: Sequence[float] | None
    network_s: float | None
    fit_s: float | None
    headline: bool
    best_single: bool

    @property
    def title(self) -> str:
        """The classifier and what feeds it."""
        return f"{self.name} on {self.sources}" if self.sources else self.name


def ladder(document: dict[str, Any]) -> list[LadderRow]:
    """Return all rows of a report, from chance to the stacks.

    Parameters
    ----------
    document : dict
        Content of report.json.

    """
    entries = [*document["results"], *document.get("references", ())]
    best, headline = _best_single(document), headline_of(document)
    verdicts = against_best_single(document)
    rows = [
        _row(number, entry, document, verdicts.get(number), best, headline)
        for number, entry in enumerate(entries)
    ]
    return sorted(rows, key=lambda row: step(row.figures))


def _best_single(document: Mapping[str, Any]) -> int:
    if verdicts := document.get("verdicts"):
        return int(verdicts["best_single"]["row"])
    results = document["results"]
    singles = [number for number, entry in enumerate(results) if entry["kind"] != "aggregator"]
    return max(singles, key=lambda number: results[number]["accuracy"])


def _row(
    number: int,
    entry: Mapping[str, Any],
    document: Mapping[str, Any],
    verdict: Mapping[str, Any] | None,
    best: int,
    headline: int,
) -> LadderRow:
    costs = document.get("costs") or ()
    cost = costs[number] if number < len(costs) else {}
    best_accuracy = document["results"][best]["accuracy"]
    ends = entry.get("gain_interval_95")
    return LadderRow(
        number=number,
        name=entry["name"],
        sources=sources(entry["backbones"], len(entry["learners"])) if entry["backbones"] else "",
        tag=FITTED_ON.get(entry.get("fit_on") or "", KINDS[entry["kind"]]),
        figures={**entry, "gain": entry["accuracy"] - best_accuracy},
        p=verdict["p_holm"] if verdict else None,
        gain_interval=verdict["interval_95"] if verdict else ends,
        network_s=cost.get("network_s"),
        fit_s=cost.get("fit_s"),
        headline=number == headline,
        best_single=number == best,
    )
