"""Keep stdout for what a command answers; everything else belongs on stderr."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO, cast

import typer

from stackkit.utils.streams import STDERR, descriptor_1_to


@contextmanager
def stdout_set_aside() -> Iterator[None]:
    """What plugins and libraries print meanwhile, from Python or below it, goes to stderr."""
    with contextlib.redirect_stdout(cast(TextIO, _Unclosable(sys.stderr))), descriptor_1_to(STDERR):
        yield


def print_json(document: dict[str, Any]) -> None:
    """The one JSON document that --json promises on stdout."""
    typer.echo(json.dumps(document, indent=2, default=str))  # a plugin's diagnosis holds anything


class _Unclosable:
    """A stream that goes on when a plugin closes what it takes for stdout."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def close(self) -> None:
        """Only empty it."""
        self._stream.flush()
