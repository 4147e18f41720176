"""Options of the commands that write a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from stackkit.cli import values
from stackkit.cli.completion import complete_components
from stackkit.cli.options import DATA, OUTPUT

Save = Annotated[
    Path | None,
    typer.Option(
        "--save",
        metavar="FILE",
        parser=values.path,
        help="Then fit a model and write it to FILE, such as birds.stackkit; see `stackkit train`.",
        rich_help_panel=OUTPUT,
    ),
]
SaveAggregator = Annotated[
    str | None,
    typer.Option(
        "--save-aggregator",
        metavar="NAME",
        autocompletion=complete_components("aggregator"),
        help="Aggregator of the saved model. Default: the first one.",
        rich_help_panel=OUTPUT,
    ),
]
Bundle = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="FILE",
        parser=values.path,
        help="Write the model to FILE, such as birds.stackkit.",
        rich_help_panel=OUTPUT,
    ),
]
Update = Annotated[
    Path | None,
    typer.Option(
        "--update",
        metavar="BUNDLE",
        parser=values.path,
        help="Add the images to this model; without --out, to the same file.",
        rich_help_panel=DATA,
    ),
]
OverwriteBoth = Annotated[
    bool,
    typer.Option(
        "--overwrite",
        help="Replace an existing report in --out, and an existing file --save.",
        rich_help_panel=OUTPUT,
    ),
]
OverwriteModel = Annotated[
    bool, typer.Option("--overwrite", help="Replace an existing file.", rich_help_panel=OUTPUT)
]
WithWeights = Annotated[
    bool,
    typer.Option(
        "--with-weights",
        help="Put the networks' weights into the model, so that using it needs no download.",
        rich_help_panel=OUTPUT,
    ),
]
WithExamples = Annotated[
    bool,
    typer.Option(
        "--with-examples",
        help="Put small copies of training images into the model, to show beside answers.",
        rich_help_panel=OUTPUT,
    ),
]
Licence = Annotated[
    str | None,
    typer.Option(
        "--licence",
        metavar="TEXT",
        help="Note in the model on what its weights and images allow.",
        rich_help_panel=OUTPUT,
    ),
]
