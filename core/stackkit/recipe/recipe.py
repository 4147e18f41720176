"""An experiment by names and settings: from a recipe file, the command line, or Python."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from stackkit.execution.opening import LOCAL
from stackkit.recipe.recipe_file import (
    CHECKS,
    OF_ALL_FOLDS,
    OF_FOLDS,
    PUBLISHED,
    RecipeFile,
    Setting,
    asks_for_folds,
)

RECIPE_BACKBONES = ("vgg19", "resnet50", "inception-v3", "xception")
LEARNERS = ("logistic",)
AGGREGATORS = ("average-svm", "soft-vote", "concat")
BASELINES = ("linear-svm",)
FOLDS = 3
INNER_FOLDS = 3
DEFAULTS = RecipeFile(name=PUBLISHED, summary="", cost="", settings={})
"""What a recipe that is composed in Python starts from."""

OPTIONS = {"learners": "--learner", "aggregators": "--aggregator", "baselines": "--baseline"}
"""Options of the command line that have another name than the key in a recipe file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """An experiment, described by names and settings.

    The defaults are the published recipe, plus the aggregators soft-vote and concat for comparison.

    Attributes
    ----------
    dataset : str
        Name and options of the dataset, such as "mnist:limit=50".
    backbones : tuple of str
        Names, patterns and options of the backbones.
    learners : tuple of str
        The learners that are fitted on each backbone; all of their fits are stacked.
    aggregators : tuple of str
        The meta-classifiers to compare.
    baselines : tuple of str
        Learners that are reported per backbone and not stacked.
    cv : int
        Number of stratified folds, >= 2.
    repeats : int
        How often to repeat cross-validation with other folds, >= 1, which needs `shuffle`; or how often
        to draw the test images of `holdout`.
    group_duplicates : bool
        Whether copies of one file are always in the same fold, like images of one group.
    split : {"", "official", "both"}
        What to do with the official split of the dataset: nothing, or use it instead of folds, or also.
    holdout : float
        Share of the images of each class to draw as test images instead of folds, in (0, 1); 0: folds.
    shuffle : bool
        Shuffle the samples before they are divided into folds.
    seed : int
        Seed of folds and of every component with an option `seed`.
    inner_cv : int
        Number of folds inside a training fold that give out-of-fold probabilities, >= 2.
    refit : bool
        Whether learners of out-of-fold aggregators are fitted again on the whole training fold to
        predict test images. If False, the learners of the inner folds are averaged.
    learning_curve : bool
        Whether to evaluate on parts of the training images too.
    strict : bool
        Stop at the first image that cannot be read, instead of leaving it out.
    device : {"cpu", "gpu"} or None
        Where backbones compute; None lets each of them choose.
    threads : int or None
        Threads per backbone, >= 1; None lets each of them choose.
    jobs : int or None
        Number of fits at the same time, >= 1; None uses all cores. It has no influence on figures.
    executor : str
        Name and options of the executor whose workers compute. It has no influence on figures.
    file : RecipeFile
        The recipe that this one started from, see `changes`.

    References
    ----------
    Y. Resheff, "Transfer learning from multiple pre-trained computer vision models", 2017.

    """

    dataset: str
    backbones: tuple[str, ...] = RECIPE_BACKBONES
    learners: tuple[str, ...] = LEARNERS
    aggregators: tuple[str, ...] = AGGREGATORS
    baselines: tuple[str, ...] = BASELINES
    cv: int = FOLDS
    repeats: int = 1
    group_duplicates: bool = False
    split: str = ""
    holdout: float = 0.0
    shuffle: bool = False
    seed: int = 0
    inner_cv: int = INNER_FOLDS
    refit: bool = True
    learning_curve: bool = False
    strict: bool = False
    device: str | None = None
    threads: int | None = None
    jobs: int | None = None
    executor: str = LOCAL
    file: RecipeFile = field(default=DEFAULTS, repr=False)

    @property
    def official(self) -> bool:
        """Whether the official split is the only protocol."""
        return self.split == "official"

    @property
    def protocols(self) -> tuple[Recipe, ...]:
        """The same recipe once for each protocol that it asks for: two for ``split="both"``."""
        if self.split != "both":
            return (self,)
        alone = replace(self, split="official", shuffle=False, repeats=1, group_duplicates=False)
        return replace(self, split=""), alone

    def in_shuffled_folds(self, count: int) -> Recipe:
        """Return the same recipe under one cross-validation, whatever its own protocol is."""
        alone = replace(self, split="", holdout=0.0, learning_curve=False)
        return replace(alone, cv=count, shuffle=True, repeats=1)


def compose(file: RecipeFile, dataset: str, given: Mapping[str, Setting]) -> Recipe:
    """Combine a recipe file with settings that replace its own.

    Parameters
    ----------
    file : RecipeFile
        The file.
    dataset : str
        Name and options of the dataset.
    given : mapping of str to tuple of str, bool, int, float or str
        Settings by the keys of a recipe file. An official split, or a hold-out, replaces folds and what
        belongs to them, and the other way round.

    Returns
    -------
    Recipe
        The recipe. What neither has is the default of `Recipe`.

    """
    kept = dict(file.settings)
    replaced = _replaced(kept, given)
    fields: dict[str, Any] = {key: value for key, value in kept.items() if key not in replaced}
    return Recipe(dataset=dataset, file=file, **{**fields, **given})


def _replaced(kept: Mapping[str, Setting], given: Mapping[str, Setting]) -> set[str]:
    """Return the keys of a file that make no sense beside the protocol that is given instead."""
    if given.get("split") == "official":
        return {*OF_FOLDS, "holdout"}
    if "split" in given:
        return {"holdout"}
    if "holdout" in given:
        return {*OF_ALL_FOLDS, "split"}
    of_all_folds = "cv" in given or given.get("shuffle") is True
    replaced = {"holdout"} if of_all_folds else set()
    if kept.get("split") == "official" and asks_for_folds(given):
        replaced.add("split")
    return replaced


def settings_of(recipe: Recipe) -> dict[str, Setting]:
    """Return all settings that a recipe file can have, by its keys; "" and 0.0 stand for folds."""
    return {key: getattr(recipe, key) for key in CHECKS}


def changes(recipe: Recipe) -> dict[str, Setting]:
    """Return the settings in which a recipe differs from the file that it started from.

    Settings of folds that its protocol does not use are left out.
    """
    before = settings_of(compose(recipe.file, recipe.dataset, {}))
    unused = OF_FOLDS if recipe.official else OF_ALL_FOLDS if recipe.holdout else ()
    return {
        key: value
        for key, value in settings_of(recipe).items()
        if value != before[key] and key not in unused
    }


def title(recipe: Recipe) -> str:
    """Return the recipe's name and what replaces its settings; "" if it started from `published`."""
    if recipe.file.name == PUBLISHED:
        return ""
    different = ", ".join(changes(recipe))
    return recipe.file.name + (f", but with other {different}" if different else "")


def command(recipe: Recipe) -> str:
    """Return the `stackkit run` command that repeats a recipe, quoted for a shell.

    Options that only say how to use this machine (--device, --threads, --jobs, --executor) are left out.
    """
    words = ["stackkit", "run", "--dataset", recipe.dataset]
    if recipe.file.name != PUBLISHED:
        words += ["--recipe", recipe.file.name]
    different = changes(recipe)
    if not (recipe.split or recipe.holdout) and {"split", "holdout"} & set(different):
        different["cv"] = recipe.cv  # the file has another protocol, which only this replaces
    for key, value in different.items():
        words += _option(key, value)
    return shlex.join(words)


def _option(key: str, value: Setting) -> list[str]:
    """Return the words of the command line that set a key of a recipe file."""
    name = OPTIONS.get(key, f"--{key.replace('_', '-')}")
    if isinstance(value, bool):
        return [name if value else f"--no-{name.removeprefix('--')}"]
    if isinstance(value, tuple):
        return [name, ",".join(value) or "none"]
    not_given = value == "" or (isinstance(value, float) and not value)
    return [] if not_given else [name, str(value)]
