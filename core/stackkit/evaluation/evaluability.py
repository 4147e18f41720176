"""Refuse before hours of extraction what could not be evaluated afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from stackkit.api.dataset import Dataset
from stackkit.api.errors import UsageError
from stackkit.evaluation.classifiers import CheckedClassifiers, check_classifiers
from stackkit.evaluation.protocol import folds_of, groups_of
from stackkit.recipe import Recipe, ResolvedRecipe


def check_evaluable(recipe: Recipe, components: ResolvedRecipe, dataset: Dataset) -> CheckedClassifiers:
    """Return the recipe's classifiers; raises a StackkitError if a run could not evaluate them."""
    _refuse_boxes(components)
    _refuse_equal_learners(components)
    classifiers = check_classifiers(components)
    check_folds(recipe, dataset, fingerprints=())
    return classifiers


def _refuse_boxes(components: ResolvedRecipe) -> None:
    for each in components.backbones:
        if each.gives_boxes:
            raise UsageError(
                f"{each.label} finds boxes, from which no learner can tell classes; `stackkit extract` "
                "stores them, and views=attention of a backbone uses them"
            )


def _refuse_equal_learners(components: ResolvedRecipe) -> None:
    """Refuse learners that differ only in what they do with views, if no backbone has several."""
    if any(each.views for each in components.backbones):
        return
    seen: dict[str, str] = {}
    for each in components.learners:
        same = seen.setdefault(replace(each, host_options={}).text, each.label)
        if same != each.label:
            raise UsageError(
                f"{same} and {each.label} are the same learner where no backbone has several views, and "
                "a stack would count it twice; remove one of them, or add views= to a backbone"
            )


def check_folds(recipe: Recipe, dataset: Dataset, fingerprints: Sequence[str]) -> None:
    """Raise a StackkitError if the images cannot be divided; copies are known by `fingerprints`."""
    rows = range(len(dataset.samples))
    for each in recipe.protocols:
        folds_of(each, dataset, rows, groups_of(each, dataset, rows, fingerprints))
