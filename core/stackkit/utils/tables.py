"""Print tables with Rich: literal text, whole lines in pipes, and no lost names on narrow terminals."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD, Box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from stackkit.utils.console import cells, literal

PIPE_WIDTH = 200
"""Width in characters of output that is not a terminal: a file has no edge to wrap at."""

NAME_WIDTHS = (20, 12)
"""Space that names keep. Rather than less than the first, the columns that are needed least are left
out; rather than less than the second, further columns."""

_ASCII_HEAD = Box("    \n    \n -- \n    \n    \n    \n    \n    \n", ascii=True)
"""SIMPLE_HEAD for terminals without box-drawing characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table.

    Parameters
    ----------
    heading : str
        Text above it.
    cells : sequence of str
        One text per row.
    is_name : bool
        Whether it is aligned left and may wrap. Other columns are numbers, which stay whole.
    rank : int
        0: always shown. On a narrow terminal, the columns of the highest rank are left out first, all
        together.

    """

    heading: str
    cells: Sequence[str]
    is_name: bool = False
    rank: int = 0

    def width(self, name_width: int) -> int:
        """Return the width it needs, with the space beside it, if names wrap at `name_width`."""
        natural = max(map(cells, [self.heading, *self.cells]))
        return (min(natural, name_width) if self.is_name else natural) + 2


def unwrapped(console: Console) -> Console:
    """Return a console that does not wrap if its output is not a terminal.

    Parameters
    ----------
    console : Console
        Where the output goes.

    Returns
    -------
    Console
        `console` itself if it is a terminal, else a wider one with the same output.

    """
    if console.is_terminal:
        return console
    width = max(console.width, PIPE_WIDTH)
    return Console(
        file=console.file, width=width, force_terminal=False, force_jupyter=console.is_jupyter
    )


def print_literal(console: Console, text: str) -> None:
    """Print a line as it is: `:b:` is no emoji, `[bold]` no markup, and numbers get no colours."""
    console.print(_literal(console, text), soft_wrap=not console.is_terminal)


def print_table(
    console: Console,
    columns: Sequence[Column],
    *,
    bold: int | None = None,
    sections: Collection[int] = (),
) -> None:
    """Print a table, and below it which columns the terminal is too narrow for.

    Parameters
    ----------
    console : Console
        Where it goes.
    columns : sequence of Column
        The columns, all with as many cells.
    bold : int or None
        Number of the row to emphasise.
    sections : collection of int
        Numbers of the rows that begin a new section.

    """
    shown = _fitting(columns, console.width)
    utf = console.encoding.lower().startswith("utf")
    table = Table(box=SIMPLE_HEAD if utf else _ASCII_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in shown:
        heading = _literal(console, column.heading)
        if column.is_name:
            table.add_column(heading, overflow="fold")
        else:
            table.add_column(heading, justify="right", no_wrap=True)
    for number, texts in enumerate(zip(*(column.cells for column in shown), strict=True)):
        if number in sections:
            table.add_section()
        row = [_literal(console, text) for text in texts]
        table.add_row(*row, style="bold" if number == bold else "")
    console.print(table)
    if hidden := [column.heading for column in columns if column not in shown]:
        print_literal(console, f"(too narrow for: {', '.join(hidden)})")


def _fitting(columns: Sequence[Column], width: int) -> list[Column]:
    """Return the columns that are shown at a width."""
    shown, ranks = list(columns), sorted({column.rank for column in columns} - {0}, reverse=True)
    for rank in ranks:
        name_width = NAME_WIDTHS[rank != ranks[0]]
        if sum(column.width(name_width) for column in shown) - 1 <= width:
            break
        shown = [column for column in shown if column.rank != rank]
    return shown


def _literal(console: Console, text: str) -> Text:
    return Text(literal(text, console.encoding))
