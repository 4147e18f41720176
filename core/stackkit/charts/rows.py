"""The rows of a report as pictures show them: label, kind, accuracy and interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stackkit.charts.style import short
from stackkit.evaluation.table_row import sources
from stackkit.statistics.intervals import Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of the table.

    Parameters
    ----------
    position : int
        In `Report.results`, then `Report.references`; the number of its `RowOutcome`.
    label : str
        Such as "logistic on resnet50", at most 46 characters.
    kind : str
        "baseline", "learner", "aggregator" or "reference".
    backbones : tuple of str
        Labels of its backbones.
    accuracy : float
        In [0, 1].
    interval_95 : tuple of (float, float)
        Around it.

    """

    position: int
    label: str
    kind: str
    backbones: tuple[str, ...]
    accuracy: float
    interval_95: Interval


def rows_of(document: dict[str, Any]) -> list[Row]:
    """Return results and references of a report.json, in this order."""
    entries = [*document["results"], *document.get("references", ())]
    return [_row(position, entry) for position, entry in enumerate(entries)]


def _row(position: int, entry: dict[str, Any]) -> Row:
    low, high = entry["interval_95"]
    return Row(
        position=position,
        label=label_of(entry["name"], entry["backbones"], len(entry.get("learners", ()))),
        kind=entry["kind"],
        backbones=tuple(entry["backbones"]),
        accuracy=entry["accuracy"],
        interval_95=(low, high),
    )


def label_of(name: str, backbones: Sequence[str], n_learners: int = 1) -> str:
    """Return the label of a row, such as "average-svm on all 3"."""
    text = f"{name} on {sources(backbones, n_learners)}" if backbones else name
    return short(text, 46)


def untrained_note(document: dict[str, Any]) -> str:
    """Return a warning that ends a caption if a network has random weights, else ""."""
    if not document.get("untrained"):
        return ""
    return " Networks with random weights take part: these figures say nothing about trained ones."
