"""Compare runs on the same images; refuse what cannot be compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from stackkit.api.errors import UsageError
from stackkit.evaluation.metrics import Result
from stackkit.report.comparable import aligned, check_comparable, notes_on_differences
from stackkit.report.record import Record
from stackkit.report.rows import results_of
from stackkit.verdicts.headline import headline_of
from stackkit.verdicts.paired import PairedAnswers, RepeatedFolds
from stackkit.verdicts.sentences import titles
from stackkit.verdicts.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedRecord:
    """A record, and how the user calls it."""

    name: str
    record: Record


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedRow:
    """One row of one run.

    Parameters
    ----------
    run : str
        Name of the run.
    row : str
        Title of the row in it.
    result : Result
        Its figures.

    """

    run: str
    row: str
    result: Result


@dataclass(frozen=True, slots=True, kw_only=True)
class RunComparison:
    """What `compare` found; positions in `verdicts` are those in `rows`."""

    rows: Sequence[ComparedRow]
    verdicts: Sequence[Verdict]
    notes: Sequence[str]

    def document(self) -> dict[str, Any]:
        """Return the comparison as plain JSON types."""
        return {
            "rows": [
                {"run": each.run, "row": each.row, **_listed(asdict(each.result))} for each in self.rows
            ],
            "pairs": [_listed(asdict(each)) for each in self.verdicts],
            "notes": list(self.notes),
        }

    def against_first(self, number: int) -> tuple[float, tuple[float, float], Verdict] | None:
        """Return difference and interval of a row minus the first one; None for the first one."""
        for verdict in self.verdicts:
            low, high = verdict.interval_95
            if (verdict.first, verdict.second) == (number, 0):
                return verdict.difference, (low, high), verdict
            if (verdict.first, verdict.second) == (0, number):
                return -verdict.difference, (-high, -low), verdict
        return None


def compare(runs: Sequence[NamedRecord], rows: Sequence[str] = ()) -> RunComparison:
    """Say whether rows of several runs, or of one, differ by more than chance.

    Parameters
    ----------
    runs : sequence of NamedRecord
        The runs.
    rows : sequence of str
        Names or titles of rows, one for all runs or one for each; by default the row that the report of
        each run is about. A single run takes several.

    Returns
    -------
    RunComparison
        With a verdict on every pair.

    Raises
    ------
    UsageError
        If there is nothing to compare, a row is not there, or the runs are not comparable: another
        protocol, other classes, or other test images.

    """
    chosen = _chosen(runs, rows)
    check_comparable([(each.name, each.record) for each in runs])
    positions = [_position(run, row) for run, row in chosen]
    compared = []
    for (run, _), position in zip(chosen, positions, strict=True):
        results = results_of(run.record.document)
        compared.append(
            ComparedRow(run=run.name, row=titles(results)[position], result=results[position])
        )
    answers = _answers([run.record for run, _ in chosen], positions, compared)
    return RunComparison(
        rows=compared,
        verdicts=answers.verdicts(answers.pairs()),
        notes=tuple(notes_on_differences([(each.name, each.record) for each in runs])),
    )


def _chosen(runs: Sequence[NamedRecord], rows: Sequence[str]) -> list[tuple[NamedRecord, str | None]]:
    """Return each run with the name of its row; None for its headline."""
    if len(runs) == 1 and len(rows) > 1:
        return [(runs[0], row) for row in rows]
    if len(runs) == 1:
        raise UsageError("one run takes two --row or more; give another run, or rows to compare")
    if len(rows) <= 1:
        return [(run, rows[0] if rows else None) for run in runs]
    if len(rows) != len(runs):
        raise UsageError(
            f"got {len(rows)} --row for {len(runs)} runs; give one for all of them, or one for each"
        )
    return list(zip(runs, rows, strict=True))


def _position(run: NamedRecord, row: str | None) -> int:
    """Return the position of a row by its name or title."""
    if row is None:
        return headline_of(run.record.document)
    results = results_of(run.record.document)
    known = titles(results)
    found = [at for at, title in enumerate(known) if title == row]
    found = found or [at for at, result in enumerate(results) if result.name == row]
    if len(found) == 1:
        return found[0]
    what = "several rows" if found else "no row"
    among = [known[at] for at in found] or known
    raise UsageError(f"{run.name} has {what} {row!r}; give --row one of: {', '.join(among)}")


def _answers(
    records: Sequence[Record], positions: Sequence[int], compared: Sequence[ComparedRow]
) -> PairedAnswers:
    ordered = [aligned(record.outcomes) for record in records]
    columns = [
        record.outcomes.correct()[order.images, position]
        for record, order, position in zip(records, ordered, positions, strict=True)
    ]
    grouped = [
        record.outcomes.groups[record.outcomes.tested][order.images]
        for record, order in zip(records, ordered, strict=True)
        if record.outcomes.groups is not None
    ]
    same_folds = all(order.same_folds(ordered[0]) for order in ordered)
    results = [each.result for each in compared]
    return PairedAnswers(
        titles=_unambiguous(compared),
        accuracy=[result.accuracy for result in results],
        correct=np.column_stack(columns),
        groups=grouped[0] if grouped else None,
        folds=(
            RepeatedFolds.of(results, records[0].outcomes)
            if same_folds and ordered[0].repeats > 1
            else None
        ),
    )


def _unambiguous(compared: Sequence[ComparedRow]) -> list[str]:
    if len({each.run for each in compared}) == 1:
        return [each.row for each in compared]
    return [f"{each.row} ({each.run})" for each in compared]


def _listed(document: dict[str, Any]) -> dict[str, Any]:
    return {name: list(each) if isinstance(each, tuple) else each for name, each in document.items()}
