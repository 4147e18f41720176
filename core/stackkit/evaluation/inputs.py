"""From stored features to a comparison: which images count, and how they are divided."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast, get_args

import numpy as np
from numpy.typing import NDArray

from stackkit.api.errors import EvaluationError, UsageError
from stackkit.api.specs import LearnerSpec
from stackkit.api.types import Dataset, FitOn
from stackkit.evaluation.comparison import Comparison, FoldOutcome
from stackkit.evaluation.features import Features
from stackkit.evaluation.protocol import folds_of
from stackkit.evaluation.scheduler import FitScheduler
from stackkit.extraction.backbone import CheckedBackbone
from stackkit.recipe import Recipe, ResolvedRecipe
from stackkit.store import DatasetRows, FeatureStore


@dataclass(frozen=True, slots=True, kw_only=True)
class UsableFeatures:
    """Features of the images that every backbone has features of.

    `kept` are the rows of the dataset that this leaves; `lost` counts those that each backbone lacks,
    and is empty if all lack the same ones.
    """

    features: Sequence[Features]
    kept: NDArray[np.int64]
    lost: Mapping[str, int]


def usable_features(
    dataset: Dataset, rows: DatasetRows, named: Sequence[CheckedBackbone], store: FeatureStore
) -> UsableFeatures:
    """Views of the stored features; raises EvaluationError for features that are no numbers.

    So it does for a class that has lost all its images: it would change what the figures mean, unseen.
    """
    matrices, intact, paths = [], [], []
    for backbone in named:
        with store.open(backbone.key, rows, {}, create=False) as file:
            intact.append(file.intact())
            matrices.append(file.view())
            paths.append(file.path)
    everywhere = np.all(intact, axis=0)
    kept = np.flatnonzero(everywhere)
    _refuse_lost_classes(dataset, kept)
    features = [
        Features(label=b.label, trained=b.backbone.trained, matrix=matrix, kept=kept)
        for b, matrix in zip(named, matrices, strict=True)
    ]
    for one, path in zip(features, paths, strict=True):
        if (row := one.unusable()) is not None:
            raise EvaluationError(
                f"{one.label} has features that are no finite numbers, the first of image "
                f"{dataset.samples[int(kept[row])].id}; remove {path} and run `stackkit extract` again"
            )
    lost = {b.label: int(np.sum(~found)) for b, found in zip(named, intact, strict=True)}
    uneven = bool(np.any(np.any(intact, axis=0) & ~everywhere))
    return UsableFeatures(features=features, kept=kept, lost=lost if uneven else {})


def comparison(
    recipe: Recipe,
    components: ResolvedRecipe,
    dataset: Dataset,
    usable: UsableFeatures,
    scheduler: FitScheduler,
    tell: Callable[[FoldOutcome], None],
) -> Comparison:
    """What a recipe compares."""
    return Comparison(
        components=components,
        features=usable.features,
        labels=np.array([sample.label for sample in dataset.samples], dtype=np.int64)[usable.kept],
        n_classes=len(dataset.classes),
        folds=folds_of(recipe, dataset, usable.kept.tolist()),
        repeats=recipe.repeats,
        inner_cv=recipe.inner_cv,
        refit=recipe.refit,
        seed=recipe.seed,
        scheduler=scheduler,
        tell=tell,
    )


def _refuse_lost_classes(dataset: Dataset, kept: NDArray[np.int64]) -> None:
    left = {dataset.samples[int(row)].label for row in kept}
    lost = sorted({sample.label for sample in dataset.samples} - left)
    if lost:
        names = ", ".join(dataset.classes[label] for label in lost[:3])
        raise EvaluationError(
            f"{len(lost)} class(es) have no image that can be read, such as {names}; "
            "mend the images or leave the classes out"
        )


def make_classifiers(components: ResolvedRecipe) -> None:
    """Make every classifier once, so that what cannot be made is refused before extraction.

    Raises UsageError if an aggregator needs probabilities and the learner gives none.
    """
    learner = components.learner
    gives_probabilities = cast(LearnerSpec, learner.component.spec).probabilities
    for choice in components.classifiers:
        choice.create()
    for choice in components.aggregators:
        with choice.blamed():
            fit_on = choice.create().fit_on
            if fit_on not in get_args(FitOn):
                raise ValueError(f"fit_on is {fit_on!r}; one of {', '.join(get_args(FitOn))} is wanted")
        if fit_on != "features" and not gives_probabilities:
            raise UsageError(
                f"learner {learner.name} gives no probabilities, which {choice.name} needs; use "
                f"logistic, or --baseline {learner.name} to see it per backbone"
            )
