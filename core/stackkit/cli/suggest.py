"""`stackkit suggest`: rank networks and recipes on a sample of a dataset, within a budget of time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from stackkit.cli import options, values
from stackkit.cli.completion import complete_components, complete_recipes
from stackkit.cli.host import the_host
from stackkit.cli.output import print_json, stdout_set_aside
from stackkit.cli.units import parse_duration
from stackkit.utils.figures import bracketed, in_percent, in_points

if TYPE_CHECKING:
    from stackkit.cli.progress import Style
    from stackkit.store import FeatureStore
    from stackkit.suggestion import Search, Suggestion, Trial
    from stackkit.utils.tables import Column

Budget = Annotated[
    str,
    typer.Option(
        "--budget",
        metavar="TIME",
        help="Time to spend: 90s, 10m, 1h.",
        rich_help_panel=options.EVALUATION,
    ),
]
Limit = Annotated[
    int | None,
    typer.Option(
        "--limit",
        metavar="N",
        parser=values.whole_number,
        help="Images per class in the sample. Default: about 400 images in all.",
        rich_help_panel=options.DATA,
    ),
]
Backbones = Annotated[
    list[str] | None,
    typer.Option(
        "--backbones",
        metavar="NAMES",
        autocompletion=complete_components("backbone"),
        help="Networks to compare; repeatable. Default: all that can run without a download.",
        rich_help_panel=options.NETWORKS,
    ),
]
Recipes = Annotated[
    list[str] | None,
    typer.Option(
        "--recipe",
        metavar="NAME|FILE",
        autocompletion=complete_recipes,
        help="Recipes to compare, or none; repeatable. Default: all.",
        rich_help_panel=options.NETWORKS,
    ),
]


def suggest(
    dataset: options.Dataset,
    limit: Limit = None,
    backbones: Backbones = None,
    recipe: Recipes = None,
    store: options.Store = None,
    device: options.Device = None,
    threads: options.Threads = None,
    jobs: options.Jobs = None,
    budget: Budget = "10m",
    seed: options.Seed = None,
    progress: options.Progress = "auto",
    as_json: options.Json = False,
) -> None:
    """Rank networks and recipes on a sample of your images.

    Nothing is downloaded. Features are stored, so a later run does not compute them again.

    Try: stackkit suggest --dataset mnist --budget 3m
    """
    options.check_count("--limit", limit, least=3)
    options.check_count("--threads", threads)
    options.check_count("--jobs", jobs)
    options.check_seed(seed or 0)
    from stackkit.recipe.recipe_file import names
    from stackkit.suggestion import Search

    search = Search(
        dataset=dataset,
        backbones=tuple(backbones or ()),
        recipes=() if list(recipe or ()) == ["none"] else tuple(recipe or names()),
        limit=limit,
        budget_s=parse_duration(budget),
        seed=seed or 0,
        device=device,
        threads=threads,
        jobs=jobs,
    )
    found = _carry_out(search, options.feature_store(store, "float32"), progress)
    if as_json:
        print_json(found.document())
    else:
        _show(found)


def _carry_out(search: Search, store: FeatureStore, style: Style) -> Suggestion:
    from stackkit.api.paths import fits_dir
    from stackkit.cli.progress import progress
    from stackkit.host.registry import Registry
    from stackkit.suggestion import suggest

    registry = Registry(host=the_host())
    with stdout_set_aside(), progress(style) as reporter:
        return suggest(search, registry, store, reporter, fits=fits_dir())


def _show(found: Suggestion) -> None:
    from rich.console import Console

    from stackkit.utils.tables import print_literal, print_table, unwrapped

    console = unwrapped(Console())
    print_literal(
        console,
        f"{found.dataset}: {found.n_images:,} of {found.n_whole:,} images, {found.n_classes} classes; "
        "3-fold cross-validation, shuffled; accuracy in percent",
    )
    if found.trials:
        print_table(console, _columns(found), bold=0)
    for line in _conclusions(found):
        print_literal(console, line)


def _columns(found: Suggestion) -> list[Column]:
    from stackkit.cli.progress import clock, rate
    from stackkit.utils.tables import Column

    candidates = [candidate for candidate, _ in found.trials]
    trials = [trial for _, trial in found.trials]
    times = ["unknown" if each.seconds is None else clock(each.seconds) for each in trials]
    gains = [_gain(each, trials[0]) for each in trials[1:]]
    return [
        Column(heading="candidate", cells=[each.name for each in candidates], is_name=True),
        Column(heading="", cells=[each.kind for each in candidates], is_name=True, rank=3),
        Column(heading="accuracy", cells=[in_percent(each.accuracy) for each in trials]),
        Column(
            heading="[95 %]", cells=[bracketed(each.interval_95, in_percent) for each in trials], rank=2
        ),
        Column(heading="to the best [95 %]", cells=["best", *gains], rank=1),
        Column(
            heading="images/s",
            cells=[rate(each.images_per_s) if each.images_per_s else "unknown" for each in trials],
            rank=2,
        ),
        Column(heading="time for all", cells=times),
    ]


def _conclusions(found: Suggestion) -> Iterator[str]:
    """Yield what was not tried, what the sample cannot decide, and the commands to run."""
    from stackkit.cli.progress import clock
    from stackkit.recipe import command

    for skipped in found.skipped:
        yield f"not tried: {skipped.name}: {skipped.reason}"
    for missing in found.not_ready:
        yield f"not ready: {missing.name}: {missing.reason}"
    if found.failed:
        first = found.failed[0]
        yield (
            f"{len(found.failed)} image(s) of the sample could not be read and do not count, first "
            f"{first.id}: {first.reason}"
        )
    if found.best is None:
        yield (
            "nothing was tried; give more time with --budget, or fewer images with --limit"
            if any(not each.failed for each in found.skipped)
            else "nothing can be compared; `stackkit list-plugins --kind backbone` says what is missing"
        )
        return
    if found.indistinct:
        names = ", ".join(candidate.name for candidate, _ in found.indistinct)
        advice = (
            f"--limit {2 * found.limit} narrows the intervals"
            if found.can_grow
            else "the sample has all images that it can have, so choose by time, or add images"
        )
        yield (
            f"{found.n_images:,} images are too few to tell {found.best[0].name} from {names}; {advice}"
        )
    yield f"most accurate here: {command(found.best[0].recipe)}"
    if found.cheaper:
        candidate, trial = found.cheaper
        yield f"perhaps as good in {clock(trial.seconds or 0)}: {command(candidate.recipe)}"


def _gain(trial: Trial, best: Trial) -> str:
    ends = bracketed(trial.gain_interval_95(best), in_points)
    return f"{in_points(trial.accuracy - best.accuracy)} {ends}"
