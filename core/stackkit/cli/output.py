"""Keep stdout for the result of a command; everything else goes to stderr."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TextIO, cast

import typer

from stackkit.utils.console import say
from stackkit.utils.csv_rows import csv_text
from stackkit.utils.streams import STDERR, STDOUT, descriptor_1_to


@contextmanager
def stdout_set_aside() -> Iterator[None]:
    """Send to stderr what plugins and libraries print in the block, from Python or from C."""
    # redirect_stdout alone would miss C code and processes that plugins start.
    with contextlib.redirect_stdout(cast(TextIO, _Unclosable(sys.stderr))), descriptor_1_to(STDERR):
        yield


@contextmanager
def postponed(errors: list[BaseException]) -> Iterator[None]:
    """Append an error or Ctrl-C and go on: neither must cost the result, which is shown first."""
    try:
        yield
    except (Exception, KeyboardInterrupt) as error:
        errors.append(error)


@contextmanager
def stdout_for_results() -> Iterator[TextIO]:
    """Yield stdout, while everything else that is printed in the block goes to stderr.

    Unlike other output, this stream raises BrokenPipeError when nobody reads it any more.
    """
    shown = sys.stdout
    try:
        copy = os.dup(STDOUT) if shown.fileno() == STDOUT else None
    except (OSError, ValueError):  # a stream in memory, or none
        copy = None
    if copy is None:
        with stdout_set_aside():
            yield shown
        return
    shown.flush()
    # Line ends as they are, and characters that the encoding does not have as escapes.
    with (
        os.fdopen(copy, "w", encoding=shown.encoding, errors="backslashreplace", newline="") as results,
        stdout_set_aside(),
    ):
        yield results


def print_json(document: dict[str, Any]) -> None:
    """Print the JSON document of --json on stdout."""
    typer.echo(json.dumps(document, indent=2, default=str))  # a plugin's diagnosis may hold any type


def print_csv(documents: Sequence[Mapping[str, Any]]) -> None:
    """Print a CSV table with a row per document on stdout, for --csv."""
    print_lines(csv_text(documents))


def print_lines(text: str) -> None:
    """Print a text that ends with a line end on stdout, each line literally."""
    for line in text.removesuffix("\n").split("\n"):
        say(line)


def terminal_width() -> int | None:
    """Return the width of the terminal that stdout is; None for a file or pipe, whose lines stay whole.

    COLUMNS sets it, also where there is no terminal.
    """
    if not (sys.stdout and sys.stdout.isatty()) and "COLUMNS" not in os.environ:
        return None
    return shutil.get_terminal_size().columns


class _Unclosable:
    """A stream that stays open when a plugin closes `sys.stdout`."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def close(self) -> None:
        """Flush, and stay open."""
        self._stream.flush()
