"""Build the recipe of a command from --recipe and the options that replace its settings."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from stackkit.api.errors import UsageError
from stackkit.cli import options
from stackkit.recipe import PUBLISHED, Recipe, compose, load_recipe

if TYPE_CHECKING:
    from stackkit.recipe import Setting


def parse_recipe(
    dataset: options.Dataset,
    recipe: options.Recipe = None,
    backbones: options.Backbones = None,
    learner: options.Learners = None,
    aggregator: options.Aggregators = None,
    baseline: options.Baselines = None,
    cv: options.Folds = None,
    split: options.Split = None,
    shuffle: options.Shuffle = None,
    repeats: options.Repeats = None,
    group_duplicates: options.GroupDuplicates = None,
    inner_cv: options.InnerFolds = None,
    refit: options.Refit = None,
    jobs: options.Jobs = None,
    seed: options.Seed = None,
    strict: options.Strict = None,
) -> Recipe:
    """Build the recipe of `run` and `evaluate`; raises UsageError for options that contradict."""
    options.check_count("--repeats", repeats)
    options.check_count("--jobs", jobs)
    options.check_count("--cv", cv, least=2)
    options.check_count("--inner-cv", inner_cv, least=2)
    if split:
        _check_split(cv, shuffle, group_duplicates)
    given = _given(
        backbones=backbones,
        learners=learner,
        aggregators=aggregator,
        baselines=baseline,
        cv=cv,
        split=split,
        shuffle=shuffle,
        repeats=repeats,
        group_duplicates=group_duplicates,
        inner_cv=inner_cv,
        refit=refit,
        seed=seed,
        strict=strict,
    )
    if given.get("baselines") == ("none",):
        given["baselines"] = ()
    composed = compose(load_recipe(recipe or PUBLISHED), dataset, given)
    options.check_seed(composed.seed + composed.repeats - 1)
    if composed.repeats > 1 and not composed.shuffle:
        raise UsageError(f"--repeats {composed.repeats} would repeat the same folds; add --shuffle")
    return replace(composed, jobs=jobs)


def _check_split(cv: int | None, shuffle: bool | None, group_duplicates: bool | None) -> None:
    if cv is not None or shuffle:
        raise UsageError(
            "--split official cannot be combined with --cv or --shuffle; choose one protocol"
        )
    if group_duplicates:
        raise UsageError(
            "--group-duplicates cannot be combined with --split official, whose parts are fixed; use "
            "--cv, or delete the copies"
        )


def _given(**options: Sequence[str] | str | int | None) -> dict[str, Setting]:
    """Return the options that the user gave, as settings of a recipe.

    Absent ones are None, or empty if they are repeatable.
    """
    return {
        key: tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
        for key, value in options.items()
        if value is not None and value != [] and value != ()
    }


def start_from(recipe: str | None, dataset: str, **given: Sequence[str] | str | int | None) -> Recipe:
    """Return a recipe by name or path with the settings that the user gave in place of its own."""
    return compose(load_recipe(recipe or PUBLISHED), dataset, _given(**given))


def first_from(parse: Callable[..., Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of `parse` too, and the value that `parse` returns for them.

    Typer reads options from a signature. The decorated command's signature is therefore that of
    `parse` followed by its own, without its first parameter, which receives the value.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        parsed = inspect.signature(parse, eval_str=True).parameters
        _, *own = inspect.signature(command, eval_str=True).parameters.values()

        def flat(**given: Any) -> None:
            command(parse(**{name: given.pop(name) for name in parsed}), **given)

        flat.__doc__ = command.__doc__
        required = sorted([*parsed.values(), *own], key=lambda each: each.default is not each.empty)
        flat.__signature__ = inspect.Signature(required)  # type: ignore[attr-defined]
        return flat

    return decorate
