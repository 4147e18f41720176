"""Print lines that hold names of users and plugins: literally, on every terminal; without Rich."""

from __future__ import annotations

import sys
from typing import TextIO

import typer

_JOINERS = "\u200c\u200d"
"""Invisible characters that some scripts need inside words; no terminal acts on them."""


def literal(text: str, encoding: str = "utf-8") -> str:
    r"""Return a line that any terminal shows and none obeys.

    Parameters
    ----------
    text : str
        Any text, for example the name of a class.
    encoding : str
        The encoding of the terminal.

    Returns
    -------
    str
        The text with escapes such as ``\x1b``, ``\u202e`` or ``\n`` for control characters, line ends,
        marks that change the direction of writing, and characters that `encoding` does not have.

    """
    shown = text
    if not text.isprintable():
        shown = "".join(c if c.isprintable() or c in _JOINERS else ascii(c)[1:-1] for c in text)
    return shown.encode(encoding, "backslashreplace").decode(encoding)


def encoding_of(stream: TextIO | None) -> str:
    """Return the encoding of a stream, or UTF-8 if it has none."""
    return getattr(stream, "encoding", None) or "utf-8"


def say(text: str = "", *, bold: bool = False, err: bool = False) -> None:
    """Print one line, literally, on stdout or (`err`) on stderr."""
    encoding = encoding_of(sys.stderr if err else sys.stdout)
    typer.secho(literal(text, encoding), bold=bold or None, err=err)


def cells(text: str) -> int:
    """Return the number of columns that a text takes on a terminal: two for most Asian characters."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def padded(text: str, width: int) -> str:
    """Return a text with spaces up to `width` columns of a terminal."""
    return text + " " * (width - cells(text))
