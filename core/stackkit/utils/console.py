"""Print tables and lines with rich so that pipes and files get whole lines and literal text."""

from __future__ import annotations

from rich.console import Console

PIPE_WIDTH = 200
"""Width in characters of output that is not a terminal: a file has no edge to wrap at."""


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
    return Console(file=console.file, width=max(console.width, PIPE_WIDTH))


def print_literal(console: Console, text: str) -> None:
    """Print a line as it is: names such as ``cub200[20]`` are not markup, and numbers get no colours."""
    console.print(text, markup=False, highlight=False, soft_wrap=not console.is_terminal)
