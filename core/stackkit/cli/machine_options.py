"""Options that say where a command computes; no figure depends on them."""

from __future__ import annotations

from typing import Annotated

import typer

from stackkit.cli.completion import complete_components
from stackkit.cli.options import NETWORKS

Executor = Annotated[
    str,
    typer.Option(
        "--executor",
        metavar="NAME[:OPTIONS]",
        autocompletion=complete_components("executor", several=False),
        help="Where to compute: local, processes, or dask:address=tcp://HOST:8786. Default: local.",
        show_default=False,
        rich_help_panel=NETWORKS,
    ),
]

Shard = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="I/N",
        help="Only range I of N of the images, in its own file. Default: all.",
        show_default=False,
        rich_help_panel=NETWORKS,
    ),
]
