"""A comparison of runs as a table for a paper."""

from __future__ import annotations

from typing import Any

from stackkit.report.between_runs import RunComparison
from stackkit.report.ladder_table import with_interval
from stackkit.report.paper_table import PaperTable, TextColumn, low_high
from stackkit.utils.figures import in_percent, in_points, p_value


def comparison_table(comparison: RunComparison) -> PaperTable:
    """Return a row for each compared row, with its difference from the first one."""
    rows = comparison.rows
    against = [comparison.against_first(number) for number in range(len(rows))]
    results = [each.result for each in rows]
    differences = [
        "" if each is None else with_interval(each[0], each[1], in_points) for each in against
    ]
    return PaperTable(
        caption="Rows of runs on the same test images; accuracy and differences in percent and points.",
        columns=[
            TextColumn(heading="run", cells=[each.run for each in rows], is_number=False),
            TextColumn(heading="row", cells=[each.row for each in rows], is_number=False),
            TextColumn(
                heading="accuracy [95 %]",
                cells=[with_interval(each.accuracy, each.interval_95, in_percent) for each in results],
            ),
            TextColumn(
                heading="balanced", cells=[in_percent(each.balanced_accuracy) for each in results]
            ),
            TextColumn(heading="difference from the first [95 %]", cells=differences),
            TextColumn(
                heading="p (Holm)",
                cells=["" if each is None else p_value(each[2].p_holm) for each in against],
            ),
        ],
        sections=(),
        notes=(*(each.sentence for each in comparison.verdicts), *comparison.notes),
        documents=_documents(comparison),
    )


def _documents(comparison: RunComparison) -> list[dict[str, Any]]:
    found = []
    for number, each in enumerate(comparison.rows):
        result, against = each.result, comparison.against_first(number)
        difference, interval, verdict = against or (None, None, None)
        found.append(
            {
                "run": each.run,
                "row": each.row,
                "accuracy": result.accuracy,
                "interval_95": low_high(result.interval_95),
                "balanced_accuracy": result.balanced_accuracy,
                "difference": difference,
                "difference_interval_95": low_high(interval),
                "p": verdict and verdict.p,
                "p_holm": verdict and verdict.p_holm,
                "test": verdict and verdict.test,
                "claimed": verdict and verdict.claimed,
            }
        )
    return found
