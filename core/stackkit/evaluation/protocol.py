"""Describe how a recipe divides images into training and test images, and do it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from stackkit.api.types import Dataset
from stackkit.evaluation.folds import Fold, official_fold, stratified_folds
from stackkit.extraction.dataset import CheckedDataset
from stackkit.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """How training and test images were chosen; accuracies of different protocols are not comparable."""

    kind: Literal["cross-validation", "official-split"]
    folds: int
    shuffle: bool
    seed: int
    repeats: int = 1

    @property
    def title(self) -> str:
        """The protocol in a few words."""
        if self.kind == "official-split":
            return "official split"
        order = f"shuffled, seed {self.seed}" if self.shuffle else "not shuffled"
        repeated = f", repeated {self.repeats} times" if self.repeats > 1 else ""
        return f"{self.folds}-fold stratified cross-validation, {order}{repeated}"

    @property
    def meaning(self) -> str:
        """What accuracies under this protocol describe, and what they cannot be compared with."""
        if self.kind == "official-split":
            return (
                "Official split: learned from the training part, measured once on the test part. "
                "Not comparable with cross-validation figures."
            )
        often = "once" if self.repeats == 1 else f"once in each of {self.repeats} repeats"
        return (
            f"{self.folds}-fold cross-validation: every image is predicted {often}, by classifiers "
            "fitted without it. Not comparable with figures on an official split."
        )


def protocol_of(recipe: Recipe) -> Protocol:
    """Return the protocol of a recipe."""
    if recipe.official:
        return Protocol(kind="official-split", folds=1, shuffle=False, seed=recipe.seed)
    return Protocol(
        kind="cross-validation",
        folds=recipe.cv,
        repeats=recipe.repeats,
        shuffle=recipe.shuffle,
        seed=recipe.seed,
    )


def folds_of(recipe: Recipe, dataset: Dataset, rows: Sequence[int]) -> list[Fold]:
    """Divide some rows of a dataset as a recipe asks.

    Parameters
    ----------
    recipe : Recipe
        The protocol and its seed.
    dataset : Dataset
        Provides labels, class names and the official split.
    rows : sequence of int
        Indices of samples of the dataset.

    Returns
    -------
    list of Fold
        Row numbers are positions in `rows`.

    Raises
    ------
    EvaluationError
        If these rows cannot be divided that way.

    """
    samples = [dataset.samples[row] for row in rows]
    if recipe.official:
        return official_fold(samples)
    labels = np.array([sample.label for sample in samples], dtype=np.int64)
    return stratified_folds(
        labels,
        dataset.classes,
        recipe.cv,
        shuffle=recipe.shuffle,
        seed=recipe.seed,
        repeats=recipe.repeats,
        remedy=_remedy(dataset, recipe.cv),
    )


def _remedy(dataset: Dataset, folds: int) -> str:
    """Say how to leave out classes that are too small, by an option if the dataset has one."""
    component = dataset.component if isinstance(dataset, CheckedDataset) else None
    if component and "min_per_class" in component.options:
        return f"leave the classes out with {component.name}:min_per_class={folds}"
    return "leave the classes out"
