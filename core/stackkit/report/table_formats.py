"""Tables of results as text for papers and spreadsheets."""

from __future__ import annotations

from stackkit.report.between_runs import RunComparison
from stackkit.report.comparison_table import comparison_table
from stackkit.report.ladder_table import ladder_table
from stackkit.report.paper_table import TableFormat, formatted
from stackkit.report.record import Record


def ladder_text(record: Record, kind: TableFormat) -> str:
    """Return the results of a run, and of its other protocol, as text that ends with a line end.

    Parameters
    ----------
    record : Record
        The run.
    kind : {"markdown", "csv", "latex"}
        CSV is one table with a column `protocol`; in the others, each protocol has a table.

    """
    return formatted([ladder_table(each.document) for each in (record, record.other) if each], kind)


def comparison_text(comparison: RunComparison, kind: TableFormat) -> str:
    """Return a comparison of runs as text that ends with a line end."""
    return formatted([comparison_table(comparison)], kind)
