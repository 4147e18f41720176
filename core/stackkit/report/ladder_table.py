"""The results of a run as a table for a paper: every row with its figures and how sure they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from stackkit.evaluation.metrics import Result
from stackkit.evaluation.table_row import sources
from stackkit.report.paper_table import PaperTable, TextColumn, low_high
from stackkit.report.rows import against_best_single, results_of, sections
from stackkit.statistics.intervals import Interval
from stackkit.utils.figures import bracketed, in_percent, in_points, p_value, percent


def ladder_table(document: Mapping[str, Any]) -> PaperTable:
    """Return the ladder of a report.

    Parameters
    ----------
    document : mapping
        Content of report.json.

    Returns
    -------
    PaperTable
        A row for each result and reference.

    Raises
    ------
    UsageError
        If the document has no results that can be read.

    """
    rows = results_of(document)
    verdicts = against_best_single(document)
    against = [verdicts.get(number) for number in range(len(rows))]
    return PaperTable(
        caption=_caption(document),
        columns=_columns(rows, against, document),
        sections=sections(rows),
        notes=_notes(document, rows, against),
        documents=_documents(rows, against, document),
    )


def _columns(
    rows: Sequence[Result], against: Sequence[Mapping[str, Any] | None], document: Mapping[str, Any]
) -> list[TextColumn]:
    def figures(heading: str, name: str, shown: Callable[[float], str]) -> TextColumn:
        values = [getattr(row, name) for row in rows]
        return TextColumn(
            heading=heading, cells=["" if value is None else shown(value) for value in values]
        )

    def seconds(name: str) -> list[str]:
        costs = document.get("costs") or [{}] * len(rows)
        return ["" if each.get(name) is None else f"{each[name]:.1f}" for each in costs]

    gains = [_gain(row, each) for row, each in zip(rows, against, strict=True)]
    ps = ["" if each is None else p_value(each["p_holm"]) for each in against]
    return [
        TextColumn(heading="classifier", cells=[row.name for row in rows], is_number=False),
        TextColumn(heading="on", cells=[_on(row) for row in rows], is_number=False),
        TextColumn(heading="fitted on", cells=[row.fit_on or "" for row in rows], is_number=False),
        TextColumn(
            heading="accuracy [95 %]",
            cells=[with_interval(row.accuracy, row.interval_95, in_percent) for row in rows],
        ),
        figures("balanced", "balanced_accuracy", in_percent),
        figures("macro-F1", "macro_f1", in_percent),
        figures("top-5", "top_5", in_percent),
        figures("log-loss", "log_loss", thousandths),
        figures("ECE", "ece", thousandths),
        figures("log-loss, calibrated", "calibrated_log_loss", thousandths),
        figures("ECE, calibrated", "calibrated_ece", thousandths),
        TextColumn(heading="gain [95 %]", cells=gains),
        TextColumn(heading="p (Holm)", cells=ps),
        TextColumn(heading="network (s)", cells=seconds("network_s")),
        TextColumn(heading="fitting (s)", cells=seconds("fit_s")),
    ]


def _gain(row: Result, verdict: Mapping[str, Any] | None) -> str:
    if verdict is None:
        return "best" if row.kind != "reference" and row.gain_interval_95 is None else ""
    low, high = verdict["interval_95"]
    return with_interval(verdict["difference"], (low, high), in_points)


def _on(row: Result) -> str:
    if row.kind == "reference" or not row.backbones:
        return ""
    return sources(row.backbones, len(row.learners)) + (" (untrained)" if row.untrained else "")


def _caption(document: Mapping[str, Any]) -> str:
    dataset = str(document["dataset"]).split(":")[0]
    return (
        f"{dataset}: {document['n_images']:,} images, {len(document['classes'])} classes; "
        f"{document['protocol']['title']}. Accuracy, balanced accuracy, macro-F1 and top-5 in percent."
    )


def _notes(
    document: Mapping[str, Any],
    rows: Sequence[Result],
    against: Sequence[Mapping[str, Any] | None],
) -> list[str]:
    notes = [
        f"Chance, always answering the largest class: {percent(document['largest_class']['share'])}."
    ]
    if document.get("untrained"):
        notes.insert(0, "Untrained networks (random weights), so accuracies mean nothing.")
    compared = [each for each in against if each is not None]
    if compared:
        best = next(row for row, each in zip(rows, against, strict=True) if each is None)
        notes.append(
            f"Gain in points over the best row on a single backbone, {best.name} on {_on(best)}; p: "
            f"{compared[0]['test']}, Holm's correction for {len(compared)} comparisons."
        )
    if gain := (document.get("verdicts") or {}).get("gain"):
        notes.append(str(gain["sentence"]))
    return notes


def _documents(
    rows: Sequence[Result], against: Sequence[Mapping[str, Any] | None], document: Mapping[str, Any]
) -> list[dict[str, Any]]:
    costs = document.get("costs") or [{}] * len(rows)
    return [
        {
            "protocol": document["protocol"]["kind"],
            "name": row.name,
            "kind": row.kind,
            "backbones": list(row.backbones),
            "fit_on": row.fit_on,
            "fold_accuracy": list(row.fold_accuracy),
            "accuracy": row.accuracy,
            "interval_95": low_high(row.interval_95),
            **{
                name: getattr(row, name)
                for name in (
                    "balanced_accuracy",
                    "macro_f1",
                    "top_5",
                    "log_loss",
                    "ece",
                    "calibrated_log_loss",
                    "calibrated_ece",
                )
            },
            "gain": each and each["difference"],
            "gain_interval_95": low_high(each["interval_95"] if each else None),
            "p": each and each["p"],
            "p_holm": each and each["p_holm"],
            "test": each and each["test"],
            "network_s": cost.get("network_s"),
            "fit_s": cost.get("fit_s"),
            "untrained": row.untrained,
        }
        for row, each, cost in zip(rows, against, costs, strict=True)
    ]


def with_interval(value: float, interval: Interval, shown: Callable[[float], str]) -> str:
    """Return a figure with both ends of its interval, such as "91.3 [89.5, 92.8]"."""
    return f"{shown(value)} {bracketed(interval, shown)}"


def thousandths(value: float) -> str:
    """Return a figure with three decimals."""
    return f"{value:.3f}"
