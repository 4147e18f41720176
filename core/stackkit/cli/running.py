"""`stackkit run` and its second half, `stackkit evaluate`."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stackkit.cli import options
from stackkit.cli.output import stdout_set_aside
from stackkit.errors import UsageError

if TYPE_CHECKING:
    from stackkit.cli.progress import Style
    from stackkit.plan import Plan
    from stackkit.recipe import Recipe
    from stackkit.store import FeatureStore

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
Baseline = Annotated[
    str,
    typer.Option(
        "--baseline", metavar="NAME", help="Learner shown per backbone beside the stack, or none."
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
InnerFolds = Annotated[
    int, typer.Option("--inner-cv", metavar="FOLDS", help="Folds for out-of-fold probabilities.")
]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Write report.json into this folder.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace a report.json that is in --out.")]


def _command(help_text: str, *, may_extract: bool) -> Callable[..., None]:
    """`run` and `evaluate` differ in whether they may extract, and so take options about that."""

    def command(
        dataset: options.Dataset,
        backbones: options.Backbones = None,
        learner: Learner = "logistic",
        aggregator: Aggregators = None,
        baseline: Baseline = "linear-svm",
        cv: Folds = None,
        split: Split = None,
        shuffle: Shuffle = False,
        inner_cv: InnerFolds = 3,
        seed: options.Seed = 0,
        strict: options.Strict = False,
        out: Out = None,
        overwrite: Overwrite = False,
        store: options.Store = None,
        feature_dtype: options.FeatureDtype = "float32",
        device: options.Device = None,
        threads: options.Threads = None,
        dry_run: options.DryRun = False,
        progress: options.Progress = "auto",
        as_json: options.Json = False,
    ) -> None:
        _check_protocol(cv, split, shuffle, inner_cv)
        options.check_seed(seed)
        options.check_threads(threads)
        from stackkit.cli.plan import predict
        from stackkit.paths import features_dir
        from stackkit.recipe import RECIPE_BACKBONES, Recipe
        from stackkit.store import FeatureStore

        recipe = Recipe(
            dataset=dataset,
            backbones=tuple(backbones or RECIPE_BACKBONES),
            learner=learner,
            aggregators=tuple(aggregator or ("average-svm", "soft-vote")),
            baseline=None if baseline == "none" else baseline,
            cv=3 if cv is None else cv,
            official=bool(split),
            shuffle=shuffle,
            inner_cv=inner_cv,
            seed=seed,
            strict=strict,
            device=device,
            threads=threads,
        )
        feature_store = FeatureStore(store or features_dir(), feature_dtype)
        if dry_run:
            predict(recipe, feature_store, progress, as_json=as_json, evaluable=True)
            return
        _carry_out(recipe, out, overwrite, feature_store, progress, as_json, may_extract=may_extract)

    command.__doc__ = help_text
    return command if may_extract else _without(command, "device", "threads", "dry_run")


def _without(command: Callable[..., None], *names: str) -> Callable[..., None]:
    """The same command, which does not take these options."""
    signature = inspect.signature(command, eval_str=True)
    kept = [one for one in signature.parameters.values() if one.name not in names]
    command.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
    return command


run = _command(
    """Extract features, fit and stack classifiers, and say how good they are.

    Features are kept: a second run, or one with other learners, computes none of them again.

    Try: stackkit run --dataset mnist:limit=50 --backbones 'efficientnet-lite*'
    """,
    may_extract=True,
)

evaluate = _command(
    """Fit and stack classifiers on features that `stackkit extract` has stored.

    Try: stackkit evaluate --dataset mnist:limit=50 --backbones 'efficientnet-lite*' --shuffle
    """,
    may_extract=False,
)


def _check_protocol(cv: int | None, split: str | None, shuffle: bool, inner_cv: int) -> None:
    if split and (cv is not None or shuffle):
        raise UsageError(
            "--split official and --cv or --shuffle exclude each other; choose one protocol"
        )
    if inner_cv < 2:
        raise UsageError(f"--inner-cv {inner_cv}: at least 2 folds are wanted")


def _carry_out(
    recipe: Recipe,
    out: Path | None,
    overwrite: bool,
    store: FeatureStore,
    style: Style,
    as_json: bool,
    *,
    may_extract: bool,
) -> None:
    from rich.console import Console

    from stackkit import experiment
    from stackkit.cli.plan import forecast_lines, plan_lines, tell
    from stackkit.cli.progress import progress
    from stackkit.host import load_host
    from stackkit.registry import Registry
    from stackkit.report import document, table

    errors = Console(stderr=True)
    people = errors if as_json else Console()

    def begin(plan: Plan) -> None:
        tell(reporter, plan_lines(plan, evaluable=True))
        if out:  # refused before hours of work, and not made for a mistyped name
            document.prepare(out, overwrite=overwrite)

    with stdout_set_aside(), progress(style) as reporter:
        report = experiment.run(
            recipe,
            Registry(host=load_host()),
            store,
            reporter,
            begin=begin,
            expect=lambda forecast: tell(reporter, forecast_lines(forecast)),
            may_extract=may_extract,
        )
    if out:
        written = document.write(report, out)
    table.show(report, people)
    if out:
        errors.print(f"report: {written}", markup=False, highlight=False, soft_wrap=True)
    if as_json:
        typer.echo(json.dumps(report.document(), indent=2))
