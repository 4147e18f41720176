"""Options of the commands that delete what is no longer used."""

from __future__ import annotations

from typing import Annotated

import typer

OlderThan = Annotated[
    str | None,
    typer.Option("--older-than", metavar="AGE", help="Delete files unused for longer: 12h, 30d, 8w."),
]
KeepSize = Annotated[
    str | None,
    typer.Option(
        "--keep-size",
        metavar="SIZE",
        help="Delete the longest unused until SIZE is left: 500MB.",
    ),
]
DryRemoval = Annotated[
    bool, typer.Option("--dry-run", help="List what would be deleted; delete nothing.")
]
