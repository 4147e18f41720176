"""Refuse before hours of extraction what could not be evaluated afterwards."""

from __future__ import annotations

from collections.abc import Sequence

from stackkit.api.dataset import Dataset
from stackkit.api.errors import UsageError
from stackkit.evaluation.classifiers import CheckedClassifiers, check_classifiers
from stackkit.evaluation.protocol import folds_of, groups_of
from stackkit.host.host_options import BOXES, finds_boxes
from stackkit.recipe import Recipe, ResolvedRecipe


def check_evaluable(recipe: Recipe, components: ResolvedRecipe, dataset: Dataset) -> CheckedClassifiers:
    """Return the recipe's classifiers; raises a StackkitError if a run could not evaluate them."""
    _refuse_boxes(components)
    classifiers = check_classifiers(components)
    check_folds(recipe, dataset, fingerprints=())
    return classifiers


def _refuse_boxes(components: ResolvedRecipe) -> None:
    for each in components.backbones:
        if finds_boxes(each.component.spec) and each.options["pooling"] == BOXES:
            raise UsageError(
                f"{each.label} finds boxes, from which no learner can tell classes; `stackkit extract` "
                "stores them, and views=attention of a backbone uses them"
            )


def check_folds(recipe: Recipe, dataset: Dataset, fingerprints: Sequence[str]) -> None:
    """Raise a StackkitError if the images cannot be divided; copies are known by `fingerprints`."""
    rows = range(len(dataset.samples))
    folds_of(recipe, dataset, rows, groups_of(recipe, dataset, rows, fingerprints))
