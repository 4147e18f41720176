"""Keep stdout for what a command answers; everything else belongs on stderr."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

from stackkit.streams import STDERR, descriptor_1_to


@contextmanager
def stdout_set_aside() -> Iterator[None]:
    """What plugins and libraries print meanwhile, from Python or below it, goes to stderr."""
    with contextlib.redirect_stdout(sys.stderr), descriptor_1_to(STDERR):
        yield


def print_json(document: dict[str, Any]) -> None:
    """The one JSON document that --json promises on stdout."""
    typer.echo(json.dumps(document, indent=2, default=str))  # a plugin's diagnosis holds anything
