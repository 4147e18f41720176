"""An experiment by names and settings: from a recipe file, the command line, or Python."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stackkit.recipe.recipe_file import CHECKS, OF_FOLDS, PUBLISHED, RecipeFile, Setting, asks_for_folds

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
        How often to repeat cross-validation with other folds, >= 1; needs `shuffle`.
    group_duplicates : bool
        Whether copies of one file are always in the same fold, like images of one group.
    official : bool
        Use the official training and test split of the dataset instead of folds.
    shuffle : bool
        Shuffle the samples before they are divided into folds.
    seed : int
        Seed of folds and of every component with an option `seed`.
    inner_cv : int
        Number of folds inside a training fold that give out-of-fold probabilities, >= 2.
    refit : bool
        Whether learners of out-of-fold aggregators are fitted again on the whole training fold to
        predict test images. If False, the learners of the inner folds are averaged.
    strict : bool
        Stop at the first image that cannot be read, instead of leaving it out.
    device : {"cpu", "gpu"} or None
        Where backbones compute; None lets each of them choose.
    threads : int or None
        Threads per backbone, >= 1; None lets each of them choose.
    jobs : int or None
        Number of fits at the same time, >= 1; None uses all cores. It has no influence on figures.
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
    official: bool = False
    shuffle: bool = False
    seed: int = 0
    inner_cv: int = INNER_FOLDS
    refit: bool = True
    strict: bool = False
    device: str | None = None
    threads: int | None = None
    jobs: int | None = None
    file: RecipeFile = field(default=DEFAULTS, repr=False)


def compose(file: RecipeFile, dataset: str, given: Mapping[str, Setting]) -> Recipe:
    """Combine a recipe file with settings that replace its own.

    Parameters
    ----------
    file : RecipeFile
        The file.
    dataset : str
        Name and options of the dataset.
    given : mapping of str to tuple of str, bool, int or str
        Settings by the keys of a recipe file. An official split replaces folds and what belongs to
        them, and the other way round.

    Returns
    -------
    Recipe
        The recipe. What neither has is the default of `Recipe`.

    """
    kept = dict(file.settings)
    if "split" in given:
        kept = {key: value for key, value in kept.items() if key not in OF_FOLDS}
    elif asks_for_folds(given):
        kept.pop("split", None)
    return Recipe(dataset=dataset, file=file, **_fields({**kept, **given}))


def _fields(settings: Mapping[str, Setting]) -> dict[str, Any]:
    fields: dict[str, Any] = dict(settings)
    if "split" in fields:
        fields["official"] = fields.pop("split") == "official"
    return fields


def settings_of(recipe: Recipe) -> dict[str, Setting]:
    """Return all settings that a recipe file can have, by its keys; `split` is "" for folds."""
    special = {"split": "official" if recipe.official else ""}
    return {key: special[key] if key in special else getattr(recipe, key) for key in CHECKS}


def changes(recipe: Recipe) -> dict[str, Setting]:
    """Return the settings in which a recipe differs from the file that it started from."""
    before = settings_of(compose(recipe.file, recipe.dataset, {}))
    return {key: value for key, value in settings_of(recipe).items() if value != before[key]}


def title(recipe: Recipe) -> str:
    """Return the recipe's name and what replaces its settings; "" if it started from `published`."""
    if recipe.file.name == PUBLISHED:
        return ""
    different = ", ".join(changes(recipe))
    return recipe.file.name + (f", but with other {different}" if different else "")


def command(recipe: Recipe) -> str:
    """Return the `stackkit run` command that repeats a recipe, quoted for a shell.

    Options that only say how to use this machine (--device, --threads, --jobs) are left out.
    """
    words = ["stackkit", "run", "--dataset", recipe.dataset]
    if recipe.file.name != PUBLISHED:
        words += ["--recipe", recipe.file.name]
    different = changes(recipe)
    if different.get("split") == "":  # the file has an official split, which only folds replace
        different["cv"] = recipe.cv
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
    return [name, str(value)] if value != "" else []
