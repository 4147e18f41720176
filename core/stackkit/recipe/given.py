"""Build a recipe from what a user gives: a recipe's name and settings that replace its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from stackkit.api.common_options import MOST_SEED
from stackkit.api.errors import UsageError
from stackkit.execution.opening import LOCAL
from stackkit.recipe.recipe import Recipe, compose
from stackkit.recipe.recipe_file import OF_ALL_FOLDS, PUBLISHED, Setting, load_recipe

Given: TypeAlias = Sequence[str] | str | int | float | None
"""A setting as the command line and Python give it; None, or an empty list, if it is not given."""


def recipe_from(dataset: str, recipe: str | None, given: Mapping[str, Given]) -> Recipe:
    """Return a recipe by name or path with the settings that the user gave in place of its own.

    Parameters
    ----------
    dataset : str
        Name and options of the dataset.
    recipe : str or None
        Name or path of a recipe; None for the published one.
    given : mapping
        Settings by the keys of a recipe file. What is None or empty was not given.

    """
    settings: dict[str, Setting] = {
        key: tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
        for key, value in given.items()
        if value is not None and value != [] and value != ()
    }
    if settings.get("baselines") == ("none",):
        settings["baselines"] = ()
    return compose(load_recipe(recipe or PUBLISHED), dataset, settings)


def checked_recipe(
    dataset: str,
    recipe: str | None,
    given: Mapping[str, Given],
    *,
    jobs: int | None = None,
    executor: str = LOCAL,
) -> Recipe:
    """Return the recipe of `run`, `evaluate`, `train` and `audit`.

    Parameters
    ----------
    dataset, recipe, given
        As for `recipe_from`.
    jobs, executor
        See `Recipe`.

    Raises
    ------
    UsageError
        If a number is out of range, or settings contradict each other. Messages name the options of the
        command line, which the parameters in Python are named after.

    """
    check_count("--repeats", given.get("repeats"))
    check_count("--jobs", jobs)
    _refuse_jobs_elsewhere(jobs, executor)
    check_count("--cv", given.get("cv"), least=2)
    check_count("--inner-cv", given.get("inner_cv"), least=2)
    _check_share(given.get("holdout"))
    _refuse_contradictions(given)
    composed = recipe_from(dataset, recipe, given)
    check_seed(composed.seed + composed.repeats - 1)
    if composed.repeats > 1 and not (composed.shuffle or composed.holdout):
        raise UsageError(f"--repeats {composed.repeats} would repeat the same folds; add --shuffle")
    return replace(composed, jobs=jobs, executor=executor)


def _refuse_jobs_elsewhere(jobs: int | None, executor: str) -> None:
    # It could only idle workers that were started or rented for this run.
    if jobs and executor != LOCAL:
        raise UsageError(
            f"--jobs {jobs} is for --executor {LOCAL}; {executor} fits one classifier on each of its "
            "workers, so set the number of workers"
        )


def _check_share(share: Given) -> None:
    if share is not None and not (isinstance(share, int | float) and 0 < share < 1):
        raise UsageError(f"--holdout must be a share between 0 and 1, such as 0.2, got {share}")


def _refuse_contradictions(given: Mapping[str, Given]) -> None:
    """Refuse options that belong to different protocols."""
    split, holdout = given.get("split"), given.get("holdout")
    of_folds = [f"--{key}" for key in OF_ALL_FOLDS if given.get(key)]
    if split and holdout:
        raise UsageError(f"--split {split} cannot be combined with --holdout; choose one protocol")
    if split == "official" and of_folds:
        raise UsageError(
            "--split official cannot be combined with --cv or --shuffle; choose one protocol, or use "
            "--split both"
        )
    repeats = given.get("repeats")
    if split == "official" and isinstance(repeats, int) and repeats > 1:
        raise UsageError(
            f"--repeats {repeats} cannot be combined with --split official, whose test part is always "
            "the same; use --cv with --shuffle, or --holdout"
        )
    if split == "official" and given.get("group_duplicates"):
        raise UsageError(
            "--group-duplicates cannot be combined with --split official, whose parts are fixed; use "
            "--cv, or delete the copies"
        )
    if holdout and of_folds:
        raise UsageError(
            f"--holdout cannot be combined with {' or '.join(of_folds)}: it draws its test images at "
            "random, without folds; choose one protocol"
        )


def check_seed(seed: int) -> None:
    """Raise UsageError for a seed that a generator would refuse after hours of work."""
    if not 0 <= seed <= MOST_SEED:
        raise UsageError(f"--seed must be a whole number from 0 to {MOST_SEED}, got {seed}")


def check_count(option: str, count: Given, least: int = 1) -> None:
    """Raise UsageError for a number of threads, jobs, folds or repeats below the `least`."""
    if isinstance(count, int) and count < least:
        raise UsageError(f"{option} must be at least {least}, got {count}")
