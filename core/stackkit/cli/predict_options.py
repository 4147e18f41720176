"""Options of `stackkit predict`, and what a command line asks for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import typer

from stackkit.cli import options, values

ANSWERS = "Answers"
SORTING = "Sorting"
"""Sections in the help."""

Format: TypeAlias = Literal["text", "json", "jsonl", "csv"]
"""What is printed on stdout."""

Model = Annotated[
    Path,
    typer.Argument(metavar="MODEL", parser=values.path, help="A model, such as birds.stackkit."),
]
Paths = Annotated[
    list[str],
    typer.Argument(
        metavar="PATHS...",
        help="Image files, folders, patterns, or - for a list of them on standard input.",
    ),
]
ByNul = Annotated[
    bool,
    typer.Option("-0", "--null", help="The list ends paths with NUL, as find -print0 writes it."),
]
Top = Annotated[
    int,
    typer.Option(
        "--top",
        metavar="K",
        parser=values.whole_number,
        help="How many of the most probable classes are listed.",
        rich_help_panel=ANSWERS,
    ),
]
MinConfidence = Annotated[
    float | None,
    typer.Option(
        "--min-confidence",
        metavar="X",
        parser=values.number,
        help="Accept labels of at least this probability only; others are marked with ?.",
        rich_help_panel=ANSWERS,
    ),
]
TargetPrecision = Annotated[
    float | None,
    typer.Option(
        "--target-precision",
        metavar="P",
        parser=values.number,
        help="Accept labels so that about this share of them is right, such as 0.95.",
        rich_help_panel=ANSWERS,
    ),
]
Trust = Annotated[
    list[str] | None,
    typer.Option(
        "--trust",
        metavar="NAME",
        help="Load this third-party classifier of the model, which can run code; repeatable.",
        rich_help_panel=ANSWERS,
    ),
]
SortInto = Annotated[
    Path | None,
    typer.Option(
        "--sort-into",
        "--move-to",
        metavar="DIR",
        parser=values.path,
        help="Put each image into a folder of its class in DIR; originals stay where they are.",
        rich_help_panel=SORTING,
    ),
]
HowToSort = Annotated[
    Literal["copy", "link", "hardlink"],
    typer.Option("--how", help="What is put there.", rich_help_panel=SORTING),
]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Say where images would be put; put none.", rich_help_panel=SORTING),
]
JsonLines = Annotated[
    bool,
    typer.Option(
        "--jsonl",
        help="Print a line of JSON per image, as soon as it is labelled.",
        rich_help_panel=options.OUTPUT,
    ),
]
Parquet = Annotated[
    Path | None,
    typer.Option(
        "--parquet",
        metavar="FILE",
        parser=values.path,
        help="Write a Parquet file.",
        rich_help_panel=options.OUTPUT,
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite", help="Replace an existing --parquet FILE.", rich_help_panel=options.OUTPUT
    ),
]
Resume = Annotated[
    Path | None,
    typer.Option(
        "--resume",
        metavar="FILE",
        parser=values.path,
        help="Append rows to FILE.csv or FILE.jsonl; skip images that it has.",
        rich_help_panel=options.OUTPUT,
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a command line asks for."""

    model: Path
    paths: tuple[str, ...]
    form: Format
    answers: dict[str, Any]
    machine: dict[str, Any]
    trust: tuple[str, ...]
    sort_into: Path | None
    how: Literal["copy", "link", "hardlink"]
    dry_run: bool
    parquet: Path | None
    overwrite: bool
    resume: Path | None
