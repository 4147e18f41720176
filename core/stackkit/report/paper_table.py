"""Write tables for papers and spreadsheets: Markdown, LaTeX with booktabs, and CSV; all text escaped."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from stackkit.utils.console import literal
from stackkit.utils.csv_rows import csv_text

TableFormat: TypeAlias = Literal["markdown", "csv", "latex"]

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    # After \\, LaTeX would read them as an optional length.
    "[": "{[}",
    "]": "{]}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~$&])")
"""Characters that mean something in Markdown, in a table of it, or in HTML inside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextColumn:
    """A column: its heading, a text per row, and whether these are figures: aligned right, not names."""

    heading: str
    cells: Sequence[str]
    is_number: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperTable:
    """A table in text, and with all digits.

    Parameters
    ----------
    caption : str
        What the figures describe.
    columns : sequence of TextColumn
        All with as many cells; those without any text are not written.
    sections : sequence of int
        Numbers of the rows that begin a new section.
    notes : sequence of str
        What a reader must know, a sentence or two each.
    documents : sequence of mapping
        The rows for CSV: figures with all digits.

    """

    caption: str
    columns: Sequence[TextColumn]
    sections: Sequence[int]
    notes: Sequence[str]
    documents: Sequence[Mapping[str, Any]]

    @property
    def shown(self) -> list[TextColumn]:
        """Columns that have any text."""
        return [column for column in self.columns if any(column.cells)]


def formatted(tables: Sequence[PaperTable], kind: TableFormat) -> str:
    """Return tables as text that ends with a line end.

    Parameters
    ----------
    tables : sequence of PaperTable
        The tables.
    kind : {"markdown", "csv", "latex"}
        CSV has neither captions nor notes, and all rows in one table. LaTeX needs the package booktabs.

    """
    if kind == "csv":
        return csv_text([document for table in tables for document in table.documents])
    return "\n".join(map(_markdown if kind == "markdown" else _latex, tables))


def low_high(interval: Sequence[float] | None) -> dict[str, float | None]:
    """Return the ends of an interval by name, which are two columns of CSV; empty ones for None."""
    low, high = interval or (None, None)
    return {"low": low, "high": high}


def _markdown(table: PaperTable) -> str:
    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cells)} |"

    columns = table.shown
    # Figures stay legible in the source: none of them means anything in Markdown.
    texts = [
        column.cells if column.is_number else map(markdown_text, column.cells) for column in columns
    ]
    rows = zip(*texts, strict=True)
    lines = [
        markdown_text(table.caption),
        "",
        line([column.heading for column in columns]),
        line(["---:" if column.is_number else "---" for column in columns]),
        *map(line, rows),
    ]
    lines += ["", *(f"- {markdown_text(note)}" for note in table.notes)] if table.notes else []
    return "\n".join(lines) + "\n"


def _latex(table: PaperTable) -> str:
    def line(cells: Sequence[str]) -> str:
        return f"{' & '.join(cells)} \\\\"

    columns = table.shown
    texts = [map(_latex_figure if column.is_number else latex_text, column.cells) for column in columns]
    body = list[str]()
    for number, row in enumerate(zip(*texts, strict=True)):
        body += [r"\midrule"] if number in table.sections else []
        body.append(line(row))
    return "\n".join(
        [
            "% needs \\usepackage{booktabs} and \\usepackage[T1]{fontenc}",
            r"\begin{table}",
            r"\centering",
            f"\\caption{{{latex_text(' '.join([table.caption, *table.notes]))}}}",
            f"\\begin{{tabular}}{{{''.join('r' if column.is_number else 'l' for column in columns)}}}",
            r"\toprule",
            line([latex_text(column.heading) for column in columns]),
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _latex_figure(text: str) -> str:
    """Return a figure with minus signs instead of hyphens."""
    return re.sub(r"-(?=\d)", "$-$", latex_text(text))


def latex_text(text: str) -> str:
    """Return text that LaTeX prints as it is, on one line."""
    return "".join(_LATEX.get(character, character) for character in literal(text))


def markdown_text(text: str) -> str:
    """Return text that Markdown shows as it is, on one line, also inside a table."""
    return _MARKDOWN.sub(r"\\\1", literal(text))
