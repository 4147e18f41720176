"""Prepare a comparison from a feature store: which images are used, and their features."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stackkit.api.dataset import Dataset
from stackkit.api.errors import EvaluationError
from stackkit.evaluation.classifiers import CheckedClassifiers
from stackkit.evaluation.comparison import Comparison, FoldOutcome
from stackkit.evaluation.features import Features
from stackkit.evaluation.fit_plan import FitPlan
from stackkit.evaluation.protocol import folds_of, groups_of
from stackkit.evaluation.scheduler import FitScheduler
from stackkit.extraction.backbone import CheckedBackbone
from stackkit.extraction.feature_set import FeatureSet, views_of
from stackkit.recipe import Recipe
from stackkit.store import DatasetRows, FeatureStore
from stackkit.store.joined_rows import JoinedRows


@dataclass(frozen=True, slots=True, kw_only=True)
class UsableFeatures:
    """Features of the images for which every backbone has features.

    Parameters
    ----------
    features : sequence of Features
        One entry per backbone, all with the same rows.
    rows : ndarray of shape (n_samples,), int64
        Indices of these images in the dataset.
    fingerprints : sequence of str
        Fingerprints of these images' contents.
    missing : mapping of str to int
        Number of images without features, per backbone label; empty if it is the same images for all.

    """

    features: Sequence[Features]
    rows: NDArray[np.int64]
    fingerprints: Sequence[str]
    missing: Mapping[str, int]


def usable_features(
    dataset: Dataset, rows: DatasetRows, backbones: Sequence[CheckedBackbone], store: FeatureStore
) -> UsableFeatures:
    """Open the stored features of the images for which every backbone has features of every view.

    Returns
    -------
    UsableFeatures
        Views of the files; nothing is read into memory yet.

    Raises
    ------
    EvaluationError
        If a feature is NaN or infinite, or a class has lost all its images: the accuracies would then
        silently describe another dataset.

    """
    matrices, intact, paths = [], [], []
    for backbone in backbones:
        files = [_read(one, rows, store) for one in views_of(backbone)]
        matrices.append(tuple(matrix for matrix, _, _ in files))
        intact.append(np.all([found for _, found, _ in files], axis=0))
        paths.append([path for _, _, path in files])
    everywhere = np.all(intact, axis=0)
    used_rows = np.flatnonzero(everywhere)
    _refuse_lost_classes(dataset, used_rows)
    features = [
        Features(label=b.label, trained=b.backbone.trained, matrices=views, used_rows=used_rows)
        for b, views in zip(backbones, matrices, strict=True)
    ]
    for one, files_of_one in zip(features, paths, strict=True):
        if (found := one.first_nonfinite()) is not None:
            view, row = found
            raise EvaluationError(
                f"{one.label} has NaN or infinite features, first for image "
                f"{dataset.samples[int(used_rows[row])].id}; delete {files_of_one[view]} "
                "and rerun `stackkit extract`"
            )
    missing = {b.label: int(np.sum(~whole)) for b, whole in zip(backbones, intact, strict=True)}
    differs = bool(np.any(np.any(intact, axis=0) & ~everywhere))
    return UsableFeatures(
        features=features,
        rows=used_rows,
        fingerprints=[rows.fingerprints[int(row)] for row in used_rows],
        missing=missing if differs else {},
    )


def _read(
    one: FeatureSet, rows: DatasetRows, store: FeatureStore
) -> tuple[NDArray[np.float32] | JoinedRows, NDArray[np.bool_], Path]:
    """Return the features of one view, which of them are intact, and their file."""
    with store.open(one.key, rows, {}, create=False) as file:
        return file.view(), file.intact(), file.path  # a memory map stays valid after its file is closed


def make_comparison(
    recipe: Recipe,
    classifiers: CheckedClassifiers,
    dataset: Dataset,
    usable: UsableFeatures,
    scheduler: FitScheduler,
    on_fold: Callable[[FoldOutcome], None],
) -> Comparison:
    """Combine a recipe, its classifiers and the usable features to a comparison."""
    labels = np.array([sample.label for sample in dataset.samples], dtype=np.int64)
    rows = usable.rows.tolist()
    groups = groups_of(recipe, dataset, rows, usable.fingerprints)
    return Comparison(
        fit_plan=FitPlan(
            classifiers=classifiers,
            features=usable.features,
            labels=labels[usable.rows],
            n_classes=len(dataset.classes),
            inner_cv=recipe.inner_cv,
            refit=recipe.refit,
            seed=recipe.seed,
            groups=groups,
        ),
        folds=folds_of(recipe, dataset, rows, groups),
        repeats=recipe.repeats,
        scheduler=scheduler,
        on_fold=on_fold,
    )


def _refuse_lost_classes(dataset: Dataset, used_rows: NDArray[np.int64]) -> None:
    left = {dataset.samples[int(row)].label for row in used_rows}
    lost = sorted({sample.label for sample in dataset.samples} - left)
    if lost:
        names = ", ".join(dataset.classes[label] for label in lost[:3])
        raise EvaluationError(
            f"{len(lost)} class(es) have no readable image, for example {names}; "
            "repair the images or leave the classes out"
        )
