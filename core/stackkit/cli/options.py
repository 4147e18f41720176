"""Options that several commands share, each declared once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from stackkit.api.common_options import MOST_SEED
from stackkit.api.errors import UsageError

if TYPE_CHECKING:
    from stackkit.store import FeatureStore

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
Learner = Annotated[
    str,
    typer.Option("--learner", metavar="NAME[:OPTIONS]", help="Base learner fitted on every backbone."),
]
Aggregators = Annotated[
    list[str] | None,
    typer.Option(
        "--aggregator",
        metavar="NAMES",
        help="Meta-aggregators to compare; repeatable. Default: average-svm (the recipe) and soft-vote.",
    ),
]
Baselines = Annotated[
    list[str] | None,
    typer.Option(
        "--baseline",
        metavar="NAMES",
        help="Learners shown per backbone beside the stack, or none; repeatable. Default: linear-svm.",
    ),
]
Folds = Annotated[
    int | None,
    typer.Option(
        "--cv", metavar="FOLDS", help="Stratified cross-validation with so many folds. Default: 3."
    ),
]
Split = Annotated[
    Literal["official"] | None,
    typer.Option("--split", help="Use the dataset's own training and test parts instead of --cv."),
]
Shuffle = Annotated[
    bool, typer.Option("--shuffle", help="Shuffle before making folds (the recipe does not).")
]
Repeats = Annotated[
    int,
    typer.Option("--repeats", metavar="N", help="Make the folds N times, each time shuffled anew."),
]
InnerFolds = Annotated[
    int, typer.Option("--inner-cv", metavar="FOLDS", help="Folds for out-of-fold probabilities.")
]
Refit = Annotated[
    bool,
    typer.Option(
        "--refit/--no-refit",
        help=(
            "Who predicts test images for aggregators that learned out-of-fold: a learner fitted on the "
            "whole training fold, or the mean of those of the inner folds."
        ),
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option("--jobs", metavar="N", help="Classifiers fitted at a time. Default: all cores."),
]
Seed = Annotated[int, typer.Option("--seed", help="Seed of everything that draws or shuffles.")]
Strict = Annotated[bool, typer.Option("--strict", help="Stop at the first image that cannot be read.")]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="DIR", help="Write report.json and probabilities.h5 into this folder."
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a report that is in --out.")]
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

OlderThan = Annotated[
    str | None, typer.Option("--older-than", metavar="AGE", help="Unused for longer: 12h, 30d, 8w.")
]
KeepSize = Annotated[
    str | None,
    typer.Option(
        "--keep-size", metavar="SIZE", help="Longest unused first, until 500MB, 10GB are left."
    ),
]
DryRemoval = Annotated[bool, typer.Option("--dry-run", help="Say what would go, and remove nothing.")]


def check_seed(seed: int) -> None:
    """Raise UsageError for a seed that some generator would refuse after hours of work."""
    if not 0 <= seed <= MOST_SEED:
        raise UsageError(f"--seed {seed}: a whole number from 0 to {MOST_SEED} is wanted")


def check_count(option: str, count: int | None) -> None:
    """Raise UsageError for a number of threads, jobs or repeats that cannot work."""
    if count is not None and count < 1:
        raise UsageError(f"{option} {count}: a whole number above 0 is wanted")


def feature_store(folder: Path | None, dtype: Literal["float32", "float16"]) -> FeatureStore:
    """The store that --store and --feature-dtype mean."""
    from stackkit.api.paths import features_dir
    from stackkit.store import FeatureStore

    return FeatureStore(folder or features_dir(), dtype)


def first_from(parse: Callable[..., Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Let a command take `parse`'s options before its own, and get what `parse` makes of them first."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        parsed = inspect.signature(parse, eval_str=True).parameters
        _, *own = inspect.signature(command, eval_str=True).parameters.values()

        def flat(**given: Any) -> None:
            command(parse(**{name: given.pop(name) for name in parsed}), **given)

        flat.__doc__ = command.__doc__
        flat.__signature__ = inspect.Signature([*parsed.values(), *own])  # type: ignore[attr-defined]
        return flat

    return decorate
