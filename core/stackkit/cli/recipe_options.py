"""Build the recipe of a command from --recipe and the options that replace its settings."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection
from typing import Any

from stackkit.cli import machine_options, options
from stackkit.recipe import LOCAL, Recipe
from stackkit.recipe.given import Given, checked_recipe, recipe_from


def parse_recipe(
    dataset: options.Dataset,
    recipe: options.Recipe = None,
    backbones: options.Backbones = None,
    learner: options.Learners = None,
    aggregator: options.Aggregators = None,
    baseline: options.Baselines = None,
    cv: options.Folds = None,
    split: options.Split = None,
    holdout: options.Holdout = None,
    shuffle: options.Shuffle = None,
    repeats: options.Repeats = None,
    group_duplicates: options.GroupDuplicates = None,
    inner_cv: options.InnerFolds = None,
    refit: options.Refit = None,
    learning_curve: options.LearningCurve = None,
    jobs: options.Jobs = None,
    executor: machine_options.Executor = LOCAL,
    seed: options.Seed = None,
    strict: options.Strict = None,
) -> Recipe:
    """Build the recipe of a command; raises UsageError for options that contradict each other."""
    given = {
        "backbones": backbones,
        "learners": learner,
        "aggregators": aggregator,
        "baselines": baseline,
        "cv": cv,
        "split": split,
        "holdout": holdout,
        "shuffle": shuffle,
        "repeats": repeats,
        "group_duplicates": group_duplicates,
        "inner_cv": inner_cv,
        "refit": refit,
        "learning_curve": learning_curve,
        "seed": seed,
        "strict": strict,
    }
    return checked_recipe(dataset, recipe, given, jobs=jobs, executor=executor)


def start_from(recipe: str | None, dataset: str, **given: Given) -> Recipe:
    """Return a recipe by name or path with the settings that the user gave in place of its own."""
    return recipe_from(dataset, recipe, given)


def first_from(
    parse: Callable[..., Any], *, only: Collection[str] = ()
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the options of `parse` too, and the value that `parse` returns for them.

    With `only`, the command has no others of these options, and `parse` gets their defaults.

    Typer reads options from a signature. The decorated command's signature is therefore that of
    `parse` followed by its own, without its first parameter, which receives the value.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        known = inspect.signature(parse, eval_str=True).parameters
        parsed = {name: each for name, each in known.items() if not only or name in only}
        _, *own = inspect.signature(command, eval_str=True).parameters.values()

        def flat(**given: Any) -> None:
            command(parse(**{name: given.pop(name) for name in parsed}), **given)

        flat.__doc__ = command.__doc__
        # By keyword, because one without a default may follow others that have one.
        all_of_them = [each.replace(kind=each.KEYWORD_ONLY) for each in (*parsed.values(), *own)]
        flat.__signature__ = inspect.Signature(all_of_them)  # type: ignore[attr-defined]
        return flat

    return decorate
