"""The rows of a report as pictures show them: label, kind, accuracy and interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stackkit.charts.style import short
from stackkit.evaluation.references import LARGEST_CLASS
from stackkit.evaluation.table_row import sources
from stackkit.report.rows import step
from stackkit.statistics.intervals import Interval

_LONGEST = 46


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
    accuracy : float
        In [0, 1].
    interval_95 : tuple of (float, float)
        Around it.
    is_chance : bool
        Whether it always answers the largest class.
    step : int
        Its place from chance to the stacks, as in the table.

    """

    position: int
    label: str
    kind: str
    accuracy: float
    interval_95: Interval
    is_chance: bool
    step: int


def rows_of(document: dict[str, Any]) -> list[Row]:
    """Return results and references of a report.json, in this order."""
    entries = [*document["results"], *document.get("references", ())]
    labels = labels_of(entries)
    return [
        _row(position, entry, label)
        for position, (entry, label) in enumerate(zip(entries, labels, strict=True))
    ]


def _row(position: int, entry: dict[str, Any], label: str) -> Row:
    low, high = entry["interval_95"]
    return Row(
        position=position,
        label=label,
        kind=entry["kind"],
        accuracy=entry["accuracy"],
        interval_95=(low, high),
        is_chance=entry["kind"] == "reference" and entry["name"] == LARGEST_CLASS,
        step=step(entry),
    )


def labels_of(entries: Sequence[dict[str, Any]]) -> list[str]:
    """Return labels of rows or curves; long ones lose options as long as all are told apart."""
    asis = [(each["name"], each["backbones"]) for each in entries]
    without = [(name, [one.split(":")[0] for one in backbones]) for name, backbones in asis]
    bare = [(name.split(":")[0], backbones) for name, backbones in without]
    n_learners = [len(each.get("learners", ())) for each in entries]
    for named in (asis, without, bare):
        labels = [_label(*each, n) for each, n in zip(named, n_learners, strict=True)]
        if len(set(labels)) == len(labels) and max(map(len, labels)) <= _LONGEST:
            return [short(each, _LONGEST) for each in labels]
    return [label_of(*each, n) for each, n in zip(asis, n_learners, strict=True)]


def label_of(name: str, backbones: Sequence[str], n_learners: int = 1) -> str:
    """Return the label of a row, such as "average-svm on all 3", at most 46 characters."""
    return short(_label(name, backbones, n_learners), _LONGEST)


def _label(name: str, backbones: Sequence[str], n_learners: int) -> str:
    return f"{name} on {sources(backbones, n_learners)}" if backbones else name


def untrained_note(document: dict[str, Any]) -> str:
    """Return a warning that ends a caption if a network has random weights, else ""."""
    if not document.get("untrained"):
        return ""
    return " Networks with random weights take part: these figures say nothing about trained ones."
