"""Options that several commands share, each declared once, and checks of their values."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stackkit.api.errors import UsageError
from stackkit.cli import values
from stackkit.cli.completion import complete_components, complete_recipes
from stackkit.recipe.given import check_count as check_count
from stackkit.recipe.given import check_seed as check_seed

if TYPE_CHECKING:
    from stackkit.store import FeatureStore

DATA = "Data"
NETWORKS = "Networks"
CLASSIFIERS = "Classifiers"
EVALUATION = "Evaluation"
OUTPUT = "Output"
"""Sections in the help of `run`, `extract` and `evaluate`."""

Dataset = Annotated[
    str,
    typer.Option(
        "--dataset",
        metavar="NAME[:OPTIONS]",
        autocompletion=complete_components("dataset", several=False),
        help="Dataset, as in image-folder:root=DIR.",
        rich_help_panel=DATA,
    ),
]
Recipe = Annotated[
    str | None,
    typer.Option(
        "--recipe",
        metavar="NAME|FILE",
        autocompletion=complete_recipes,
        help="Start from a recipe (see `stackkit recipes`) or TOML file. Default: published.",
        rich_help_panel=NETWORKS,
    ),
]
Strict = Annotated[
    bool | None,
    typer.Option(
        "--strict/--no-strict",
        help="Stop at the first unreadable or damaged image.",
        rich_help_panel=DATA,
    ),
]
Backbones = Annotated[
    list[str] | None,
    typer.Option(
        "--backbones",
        metavar="NAMES",
        autocompletion=complete_components("backbone"),
        help=(
            "Comma-separated names or patterns; repeatable. Default: "
            "vgg19,resnet50,inception-v3,xception."
        ),
        rich_help_panel=NETWORKS,
    ),
]
Device = Annotated[
    Literal["cpu", "gpu"] | None,
    typer.Option(
        "--device", help="Device. Default: each network's own choice.", rich_help_panel=NETWORKS
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        metavar="N",
        parser=values.whole_number,
        help="CPU threads per network. Default: all cores.",
        rich_help_panel=NETWORKS,
    ),
]
Store = Annotated[
    Path | None,
    typer.Option(
        "--store",
        metavar="DIR",
        parser=values.path,
        help="Feature store. Default: STACKKIT_HOME/features.",
        rich_help_panel=NETWORKS,
    ),
]
FeatureDtype = Annotated[
    Literal["float32", "float16"],
    typer.Option(
        "--feature-dtype",
        metavar="TYPE",
        show_default=False,
        help="float32, or float16: half the size, 3 digits. Default: float32.",
        rich_help_panel=NETWORKS,
    ),
]
Learners = Annotated[
    list[str] | None,
    typer.Option(
        "--learner",
        metavar="NAMES",
        autocompletion=complete_components("learner"),
        help="Base learners per network, all stacked; repeatable. Default: logistic.",
        rich_help_panel=CLASSIFIERS,
    ),
]
Aggregators = Annotated[
    list[str] | None,
    typer.Option(
        "--aggregator",
        metavar="NAMES",
        autocompletion=complete_components("aggregator"),
        help=("Meta-classifiers to compare; repeatable. Default: average-svm, soft-vote and concat."),
        rich_help_panel=CLASSIFIERS,
    ),
]
Baselines = Annotated[
    list[str] | None,
    typer.Option(
        "--baseline",
        metavar="NAMES",
        autocompletion=complete_components("learner"),
        help="Learners shown next to the stack, or none; repeatable. Default: linear-svm.",
        rich_help_panel=CLASSIFIERS,
    ),
]
InnerFolds = Annotated[
    int | None,
    typer.Option(
        "--inner-cv",
        metavar="FOLDS",
        parser=values.whole_number,
        help="Folds for out-of-fold probabilities. Default: 3.",
        rich_help_panel=CLASSIFIERS,
    ),
]
Refit = Annotated[
    bool | None,
    typer.Option(
        "--refit/--no-refit",
        help=(
            "For aggregators that learned out-of-fold: refit each learner on the whole training "
            "fold to predict test images, or average the inner-fold learners. Default: refit."
        ),
        rich_help_panel=CLASSIFIERS,
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        metavar="N",
        parser=values.whole_number,
        help="Classifiers fitted at a time; no influence on figures. Default: all cores.",
        rich_help_panel=CLASSIFIERS,
    ),
]
Folds = Annotated[
    int | None,
    typer.Option(
        "--cv",
        metavar="FOLDS",
        parser=values.whole_number,
        help="Stratified cross-validation folds. Default: 3.",
        rich_help_panel=EVALUATION,
    ),
]
Split = Annotated[
    Literal["official", "both"] | None,
    typer.Option(
        "--split",
        help="Use the dataset's own split instead of --cv, or both.",
        rich_help_panel=EVALUATION,
    ),
]
Holdout = Annotated[
    float | None,
    typer.Option(
        "--holdout",
        metavar="SHARE",
        parser=values.number,
        help="Test on this share of each class, drawn at random, instead of --cv.",
        rich_help_panel=EVALUATION,
    ),
]
Shuffle = Annotated[
    bool | None,
    typer.Option(
        "--shuffle/--no-shuffle",
        help="Shuffle before splitting. Default: no.",
        rich_help_panel=EVALUATION,
    ),
]
Repeats = Annotated[
    int | None,
    typer.Option(
        "--repeats",
        metavar="N",
        parser=values.whole_number,
        help="Repeat with reshuffled folds, or other draws. Default: 1.",
        rich_help_panel=EVALUATION,
    ),
]
LearningCurve = Annotated[
    bool | None,
    typer.Option(
        "--learning-curve/--no-learning-curve",
        help="Train on parts of the images too, and say what more would bring.",
        rich_help_panel=EVALUATION,
    ),
]
GroupDuplicates = Annotated[
    bool | None,
    typer.Option(
        "--group-duplicates/--no-group-duplicates",
        help="Keep copies of one file in the same fold.",
        rich_help_panel=EVALUATION,
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(
        "--seed",
        metavar="N",
        parser=values.whole_number,
        help="Seed of all random choices. Default: 0.",
        rich_help_panel=EVALUATION,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="DIR",
        parser=values.path,
        help="Write report.html, report.json, predictions.csv and more to DIR.",
        rich_help_panel=OUTPUT,
    ),
]
Html = Annotated[
    bool,
    typer.Option(
        "--html/--no-html",
        help="Make report.html, a page to look at, in --out. Default: yes.",
        show_default=False,
        rich_help_panel=OUTPUT,
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace an existing report in --out.", rich_help_panel=OUTPUT),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="Estimate time, disk and downloads; keep nothing.", rich_help_panel=OUTPUT
    ),
]
Progress = Annotated[
    Literal["auto", "bars", "lines", "json", "none"],
    typer.Option(
        "--progress",
        metavar="STYLE",
        help="Progress on stderr: bars, lines, json, none, or auto (bars on a terminal, else lines).",
        rich_help_panel=OUTPUT,
    ),
]
Json = Annotated[
    bool,
    typer.Option("--json", help="Print JSON; all else goes to stderr.", rich_help_panel=OUTPUT),
]
Csv = Annotated[
    bool,
    typer.Option("--csv", help="Print CSV; all else goes to stderr.", rich_help_panel=OUTPUT),
]

OutputFormat = Literal["text", "json", "csv"]
"""What a command prints on stdout."""


def output_format(*, as_json: bool, as_csv: bool) -> OutputFormat:
    """Return the format that --json and --csv choose; raises UsageError for both."""
    if as_json and as_csv:
        raise UsageError("--json and --csv cannot be combined; choose one of them")
    return "json" if as_json else "csv" if as_csv else "text"


def feature_store(folder: Path | None, dtype: Literal["float32", "float16"]) -> FeatureStore:
    """Open the store that --store and --feature-dtype name."""
    from stackkit.api.paths import features_dir
    from stackkit.store import FeatureStore

    return FeatureStore(folder or features_dir(), dtype)
