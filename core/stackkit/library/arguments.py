"""The arguments of `stackkit.run`, `stackkit.train` and `stackkit.features`: those of the commands."""

from __future__ import annotations

import difflib
import numbers
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, TypedDict

from stackkit.api.errors import UsageError
from stackkit.api.paths import features_dir, user_path
from stackkit.recipe import LOCAL, Recipe
from stackkit.recipe.given import check_count, checked_recipe
from stackkit.recipe.recipe_file import SPLITS
from stackkit.store import FeatureStore


class AuditOptions(TypedDict, total=False):
    """What `stackkit.audit_dataset` takes besides the dataset, as the command does."""

    recipe: str | None
    backbones: str | Sequence[str] | None
    learner: str | Sequence[str] | None
    cv: int | None
    jobs: int | None
    executor: str | None
    seed: int | None
    strict: bool | None
    store: str | os.PathLike[str] | None
    feature_dtype: Literal["float32", "float16"]
    device: Literal["cpu", "gpu"] | None
    threads: int | None


class RecipeOptions(AuditOptions, total=False):
    """What `stackkit.run` and `stackkit.train` take besides the dataset, as the commands do.

    `backbones`, `learner`, `aggregator` and `baseline` are text such as "vgg19,resnet50" or a list.
    """

    aggregator: str | Sequence[str] | None
    baseline: str | Sequence[str] | None
    split: Literal["official", "both"] | None
    holdout: float | None
    shuffle: bool | None
    repeats: int | None
    group_duplicates: bool | None
    inner_cv: int | None
    refit: bool | None
    learning_curve: bool | None


_KEYS = {"learner": "learners", "aggregator": "aggregators", "baseline": "baselines"}
"""Keys of a recipe file that are called otherwise on the command line."""

_TEXTS = ("backbones", "learner", "aggregator", "baseline")
_NUMBERS = ("cv", "repeats", "inner_cv", "jobs", "seed", "threads")
_TRUTHS = ("shuffle", "group_duplicates", "refit", "learning_curve", "strict")
_CHOICES = {
    "split": SPLITS,
    "device": ("cpu", "gpu"),
    "feature_dtype": ("float32", "float16"),
}
_OF_RUN = ("recipe", "jobs", "executor", "device", "threads", "store", "feature_dtype")


def recipe_of(
    dataset: str,
    given: Mapping[str, Any],
    named: Collection[str] = (),
    known: Collection[str] = RecipeOptions.__annotations__,
) -> Recipe:
    """Return the recipe that `run`, `train` or `audit_dataset` is asked for.

    Parameters
    ----------
    dataset : str
        Name and options of the dataset.
    given : mapping of str to object
        The options, by the names of `RecipeOptions`.
    named : collection of str
        Other arguments of the function, to suggest for a mistyped one.
    known : collection of str
        Names of the options that the function takes.

    Raises
    ------
    UsageError
        If an argument is unknown, or its value is not allowed.

    """
    _refuse_unknown(given, known, named)
    values = {name: _checked(name, value) for name, value in given.items() if value is not None}
    settings = {_KEYS.get(name, name): value for name, value in values.items() if name not in _OF_RUN}
    check_count("--threads", values.get("threads"))
    executor = values.get("executor", LOCAL)
    jobs = values.get("jobs")
    recipe = checked_recipe(dataset, values.get("recipe"), settings, jobs=jobs, executor=executor)
    return replace(recipe, device=values.get("device"), threads=values.get("threads"))


def store_of(given: Mapping[str, Any]) -> FeatureStore:
    """Return the store that the arguments `store` and `feature_dtype` name."""
    folder = given.get("store")
    dtype = _checked("feature_dtype", given.get("feature_dtype") or "float32")
    return FeatureStore(user_path(folder) if folder else features_dir(), dtype)


def _refuse_unknown(given: Collection[str], known: Collection[str], named: Collection[str]) -> None:
    allowed = [*named, *known]
    for name in given:
        if name not in known:
            close = difflib.get_close_matches(name, allowed, n=1)
            hint = f"did you mean {close[0]}?" if close else f"allowed: {', '.join(allowed)}"
            raise UsageError(f"unknown argument {name!r}; {hint}")


def _checked(name: str, value: Any) -> Any:
    if name in _TEXTS:
        return _texts(name, value)
    if name in _CHOICES and value not in _CHOICES[name]:
        raise _refused(name, f"one of {', '.join(_CHOICES[name])}", value)
    if name in _TRUTHS and not isinstance(value, bool):
        raise _refused(name, "True or False", value)
    if name in _NUMBERS:
        if not isinstance(value, numbers.Integral) or isinstance(value, bool):
            raise _refused(name, "a whole number", value)
        return int(value)
    if name == "holdout":
        if not isinstance(value, numbers.Real) or isinstance(value, bool):
            raise _refused(name, "a share between 0 and 1", value)
        return float(value)
    if name == "executor" and not isinstance(value, str):
        raise _refused(name, 'the name and options of an executor, such as "processes"', value)
    if name == "recipe":
        if not isinstance(value, str | os.PathLike):
            raise _refused(name, "the name or the path of a recipe", value)
        return os.fspath(value)
    return value


def _texts(name: str, value: Any) -> tuple[str, ...]:
    texts = (value,) if isinstance(value, str) else value
    if isinstance(texts, Sequence) and all(isinstance(each, str) for each in texts):
        if name == "baseline" and not len(texts):
            return ("none",)  # an empty list says so, and on the command line there is none
        return tuple(texts)
    raise _refused(name, "text or a list of texts", value)


def _refused(name: str, allowed: str, value: object) -> UsageError:
    return UsageError(f"{name} must be {allowed}, got {value!r:.80}")
