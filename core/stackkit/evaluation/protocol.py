"""Describe how a recipe divides images into training and test images, and do it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from stackkit.api.dataset import Dataset
from stackkit.evaluation.folds import Fold, official_fold, stratified_folds
from stackkit.evaluation.groups import Groups, group_images
from stackkit.evaluation.holdout import LEAST_OF_A_CLASS, holdout_draws
from stackkit.extraction.dataset import CheckedDataset
from stackkit.recipe import INNER_FOLDS, Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """How training and test images were chosen; accuracies of different protocols are not comparable.

    Together with `Report.components` it holds all settings that are needed to repeat a run; names and
    defaults are those of `Recipe`. `grouped` says whether folds keep groups of images together,
    `group_duplicates` whether copies of one file count as a group. `holdout` is the share of test images
    of a hold-out, which is drawn `repeats` times.
    """

    kind: Literal["cross-validation", "official-split", "holdout"]
    folds: int
    shuffle: bool
    seed: int
    repeats: int = 1
    grouped: bool = False
    group_duplicates: bool = False
    inner_cv: int = INNER_FOLDS
    refit: bool = True
    jobs: int | None = None
    holdout: float | None = None

    @property
    def part(self) -> str:
        """What one of several measurements is called."""
        return "draw" if self.kind == "holdout" else "fold"

    @property
    def title(self) -> str:
        """The protocol in a few words."""
        if self.kind == "official-split":
            return "official split"
        together = ", groups kept together" if self.grouped else ""
        if self.holdout:
            drawn = f", drawn {self.repeats} times" if self.repeats > 1 else ""
            return f"{_percent(self.holdout)} held out at random{together}, seed {self.seed}{drawn}"
        order = f"shuffled, seed {self.seed}" if self.shuffle else "not shuffled"
        repeated = f", repeated {self.repeats} times" if self.repeats > 1 else ""
        return f"{self.folds}-fold stratified cross-validation{together}, {order}{repeated}"

    @property
    def meaning(self) -> str:
        """What accuracies under this protocol describe, and what they cannot be compared with."""
        if self.kind == "official-split":
            return (
                "Official split: fitted on the training part, measured once on the test part. "
                "Not comparable with cross-validation figures."
            )
        if self.holdout:
            return _meaning_of_holdout(self.holdout, self.repeats)
        often = "once" if self.repeats == 1 else f"once in each of {self.repeats} repeats"
        return (
            f"{self.folds}-fold cross-validation: every image is predicted {often}, by classifiers "
            "that were fitted on the other folds. Folds share training images, so sd is smaller than "
            "over independent data. Not comparable with figures on an official split."
        )


def _meaning_of_holdout(share: float, draws: int) -> str:
    what = f"Hold-out: {_percent(share)} of the images of each class are drawn at random as test images"
    if draws == 1:
        how = "and predicted once, by classifiers that were fitted on the others."
    else:
        how = (
            f"{draws} times, and predicted by classifiers that were fitted on the others. An image may "
            "be drawn several times or never: each image that was drawn counts once, as the mean of its "
            "draws. Draws share images, so sd is smaller than over independent data."
        )
    return f"{what} {how} Not comparable with cross-validation or an official split."


def _percent(share: float) -> str:
    return f"{100 * share:.4g} %"


def protocol_of(recipe: Recipe, dataset: Dataset | None) -> Protocol:
    """Return the protocol of a recipe; `dataset` is None if it has not been fetched."""
    if recipe.official:
        protocol = Protocol(kind="official-split", folds=1, shuffle=False, seed=recipe.seed)
    else:
        protocol = Protocol(
            kind="holdout" if recipe.holdout else "cross-validation",
            folds=1 if recipe.holdout else recipe.cv,
            repeats=recipe.repeats,
            shuffle=bool(recipe.shuffle or recipe.holdout),
            seed=recipe.seed,
            holdout=recipe.holdout or None,
            grouped=recipe.group_duplicates or (dataset is not None and has_groups(dataset)),
            group_duplicates=recipe.group_duplicates,
        )
    return replace(protocol, inner_cv=recipe.inner_cv, refit=recipe.refit, jobs=recipe.jobs)


def has_groups(dataset: Dataset) -> bool:
    """Return whether the dataset gives any image a group."""
    return any(sample.group is not None for sample in dataset.samples)


def groups_of(
    recipe: Recipe, dataset: Dataset, rows: Sequence[int], fingerprints: Sequence[str]
) -> Groups | None:
    """Number the groups that a recipe keeps together.

    Parameters
    ----------
    recipe : Recipe
        Says whether copies of one file stay together.
    dataset : Dataset
        Provides the groups.
    rows : sequence of int
        Indices of samples of the dataset.
    fingerprints : sequence of str
        Of the same samples; empty while they are unknown.

    Returns
    -------
    ndarray of shape (n_rows,), int64, or None
        The group of each row; None if no two of them belong together.

    """
    samples = [dataset.samples[row] for row in rows]
    return group_images(samples, fingerprints if recipe.group_duplicates else ())


def folds_of(recipe: Recipe, dataset: Dataset, rows: Sequence[int], groups: Groups | None) -> list[Fold]:
    """Divide some rows of a dataset as a recipe asks.

    Parameters
    ----------
    recipe : Recipe
        The protocol and its seed.
    dataset : Dataset
        Provides labels, class names and the official split.
    rows : sequence of int
        Indices of samples of the dataset.
    groups : ndarray of shape (n_rows,), int64, or None
        See `groups_of`; an official split does not use them.

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
    if recipe.holdout:
        return holdout_draws(
            labels,
            dataset.classes,
            recipe.holdout,
            seed=recipe.seed,
            repeats=recipe.repeats,
            remedy=_remedy(dataset, LEAST_OF_A_CLASS),
            groups=groups,
        )
    return stratified_folds(
        labels,
        dataset.classes,
        recipe.cv,
        shuffle=recipe.shuffle,
        seed=recipe.seed,
        repeats=recipe.repeats,
        remedy=_remedy(dataset, recipe.cv),
        groups=groups,
    )


def _remedy(dataset: Dataset, least: int) -> str:
    """Say how to leave out classes that are too small, by an option if the dataset has one."""
    component = dataset.component if isinstance(dataset, CheckedDataset) else None
    if component and "min_per_class" in component.options:
        return f"leave the classes out with {component.name}:min_per_class={least}"
    return "leave the classes out"
