"""Options that several commands share, each declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from stackkit.errors import UsageError

Dataset = Annotated[
    str,
    typer.Option(
        "--dataset",
        metavar="NAME[:OPTIONS]",
        help="Dataset and its options, as in mnist or image-folder:root=photos,limit=50.",
    ),
]
Backbones = Annotated[
    list[str] | None,
    typer.Option(
        "--backbones",
        metavar="NAMES",
        help=(
            "Backbones: names, comma lists, patterns such as 'efficientnet-lite*'; repeatable. "
            "Default: the recipe's vgg19, resnet50, inception-v3, xception."
        ),
    ),
]
Seed = Annotated[int, typer.Option("--seed", help="Seed of everything that draws or shuffles.")]
Strict = Annotated[bool, typer.Option("--strict", help="Stop at the first image that cannot be read.")]
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on stdout; all else goes to stderr.")
]
Store = Annotated[
    Path | None,
    typer.Option(
        "--store", metavar="DIR", help="Feature store. Default: features/ under STACKKIT_HOME."
    ),
]
FeatureDtype = Annotated[
    Literal["float32", "float16"],
    typer.Option(
        "--feature-dtype",
        help="How features are kept: float16 takes half the disk and rounds them to 3 digits.",
    ),
]
Device = Annotated[
    Literal["cpu", "gpu"] | None,
    typer.Option("--device", help="Where networks work. Default: what each of them finds best."),
]
Threads = Annotated[
    int | None,
    typer.Option("--threads", metavar="N", help="CPU threads of each network. Default: all cores."),
]
Progress = Annotated[
    Literal["auto", "bars", "lines", "json", "none"],
    typer.Option(
        "--progress", help="How progress shows on stderr; auto: bars on a terminal, lines elsewhere."
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        help="Print what would happen, how long it would take and how much disk; keep nothing.",
    ),
]

MOST_SEED = 2**32 - 1
"""The largest seed that NumPy's and scikit-learn's generators take."""


def check_seed(seed: int) -> None:
    """Raise UsageError for a seed that some generator would refuse after hours of work."""
    if not 0 <= seed <= MOST_SEED:
        raise UsageError(f"--seed {seed}: a whole number from 0 to {MOST_SEED} is wanted")


def check_threads(threads: int | None) -> None:
    """Raise UsageError for a number of threads that cannot work."""
    if threads is not None and threads < 1:
        raise UsageError(f"--threads {threads}: a whole number above 0 is wanted")
