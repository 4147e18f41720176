"""`stackkit.features`: the features of a dataset as arrays, from the store or computed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from stackkit.api.dataset import Dataset, FailedImage
from stackkit.api.errors import UsageError
from stackkit.api.reporter import Reporter, SilentReporter
from stackkit.evaluation.groups import Groups, group_images
from stackkit.evaluation.inputs import UsableFeatures, usable_features
from stackkit.execution.opening import opened
from stackkit.experiment.features import computed_features
from stackkit.extraction.backbone import CheckedBackbone
from stackkit.extraction.dataset import open_dataset
from stackkit.extraction.weights import require_weights
from stackkit.host.registry import Registry
from stackkit.library.arguments import recipe_of, store_of
from stackkit.library.components import dataset_text, installed
from stackkit.library.frames import data_frame
from stackkit.library.html import table
from stackkit.preview import make_preview
from stackkit.recipe import LOCAL, Recipe, resolve
from stackkit.store import FeatureStore


@dataclass(frozen=True, kw_only=True, eq=False)
class FeatureTable:
    """Features of the images of a dataset, with their labels.

    Attributes
    ----------
    X : ndarray of shape (n, n_features), float32
        Features. If the backbone has several views, their mean.
    y : ndarray of shape (n,), int64
        Labels: indices into `classes`.
    ids : tuple of str
        The name of each image in its dataset, such as its path in the folder.
    classes : tuple of str
        Names of the classes.
    backbone : str
        Name and options of the backbone.
    splits : tuple of str
        The official part of each image: "train", "val", "test", or "".
    groups : ndarray of shape (n,), int64, or None
        Numbers of the groups that training and test must not share, for `groups=` of scikit-learn; None
        if no two images belong together.
    failed : tuple of FailedImage
        Images that could not be read, with `id` and `reason`; they have no row.

    """

    X: NDArray[np.float32]
    y: NDArray[np.int64]
    ids: tuple[str, ...]
    classes: tuple[str, ...]
    backbone: str
    splits: tuple[str, ...]
    groups: Groups | None = None
    failed: tuple[FailedImage, ...] = ()

    def to_dataframe(self) -> Any:
        """Return a pandas DataFrame: `id`, `label`, `split`, and a column per feature.

        Raises
        ------
        StackkitError
            If pandas is not installed.

        """
        names = [self.classes[label] for label in self.y]
        frame = data_frame(
            [
                {"id": one, "label": name, "split": split}
                for one, name, split in zip(self.ids, names, self.splits, strict=True)
            ],
            columns=["id", "label", "split"],
        )
        features = type(frame)(self.X, columns=[f"x{i}" for i in range(self.X.shape[1])])
        return frame.join(features)

    def __len__(self) -> int:
        return len(self.y)

    def __repr__(self) -> str:
        rows, width = self.X.shape
        return f"<FeatureTable of {self.backbone}: {rows:,} images, {width:,} features>"

    def _repr_html_(self) -> str:
        counts = np.bincount(self.y, minlength=len(self.classes)).tolist()
        title = f"{self.backbone}: {len(self):,} images, {self.X.shape[1]:,} features"
        return table(["class", "images"], list(zip(self.classes, counts, strict=True)), title)


def features(
    dataset: str | os.PathLike[str],
    backbone: str,
    *,
    store: str | os.PathLike[str] | None = None,
    feature_dtype: Literal["float32", "float16"] = "float32",
    seed: int = 0,
    strict: bool = False,
    device: Literal["cpu", "gpu"] | None = None,
    threads: int | None = None,
    executor: str = LOCAL,
    reporter: Reporter | None = None,
) -> FeatureTable:
    """Return the features of a dataset by one network; those that the store does not have are computed.

    Parameters
    ----------
    dataset : str or os.PathLike
        Name and options of a dataset, such as "mnist:limit=50", or a folder with a subfolder per class.
    backbone : str
        Name and options of a backbone, such as "efficientnet-lite0" or "resnet50:pooling=max".
    store : str or os.PathLike, optional
        Folder of the feature store; by default `features` in STACKKIT_HOME.
    feature_dtype : {"float32", "float16"}, default "float32"
        How features are stored.
    seed : int, default 0
        Seed of components that have an option `seed`.
    strict : bool, default False
        Raise an error for the first image that cannot be read, instead of leaving it out.
    device : {"cpu", "gpu"}, optional
        Where the network computes; by default its own choice.
    threads : int, optional
        CPU threads of the network; by default all cores.
    executor : str, default "local"
        Where to compute, such as "processes" or "dask:address=tcp://10.0.0.1:8786".
    reporter : Reporter, optional
        Receives progress; by default nothing is shown.

    Returns
    -------
    FeatureTable
        `X`, `y`, `ids` and `classes`.

    Raises
    ------
    UsageError
        If an argument or the name of a component is invalid.
    StackkitError
        If the dataset, the weights or the store cannot be used.

    Examples
    --------
    ``birds = stackkit.features("photos", "efficientnet-lite0")``, then
    ``cross_val_score(LogisticRegression(), birds.X, birds.y)``.

    """
    registry = installed()
    given = {"store": store, "feature_dtype": feature_dtype}
    machine = {"device": device, "threads": threads, "executor": executor}
    options = {"backbones": backbone, "seed": seed, "strict": strict, **machine}
    recipe = recipe_of(dataset_text(dataset, registry), options)
    return table_of(recipe, registry, store_of(given), reporter or SilentReporter())


def table_of(
    recipe: Recipe, registry: Registry, store: FeatureStore, reporter: Reporter
) -> FeatureTable:
    """Return the features of a recipe's dataset by its only backbone."""
    components = resolve(recipe, registry)
    if len(components.backbones) != 1:
        raise UsageError(
            f"features of exactly one backbone; {', '.join(recipe.backbones)} selects "
            f"{len(components.backbones)}; call it once for each"
        )
    dataset = open_dataset(components.dataset)
    preview = make_preview(recipe, components, dataset, store)
    require_weights(components.backbones, preview.backbones, registry)
    with opened(components.executor) as executor:
        found = (recipe, preview, dataset, store, reporter, lambda estimate: None, executor)
        rows, summary = computed_features(*found)
    usable = usable_features(dataset, rows, preview.backbones, store)
    return _table(dataset, usable, preview.backbones[0], summary.failed)


def _table(
    dataset: Dataset,
    usable: UsableFeatures,
    backbone: CheckedBackbone,
    failed: tuple[FailedImage, ...],
) -> FeatureTable:
    samples = [dataset.samples[int(row)] for row in usable.rows]
    (found,) = usable.features
    return FeatureTable(
        X=np.ascontiguousarray(found.take_average(np.arange(len(samples)))),
        y=np.array([sample.label for sample in samples], dtype=np.int64),
        ids=tuple(sample.id for sample in samples),
        classes=tuple(dataset.classes),
        backbone=backbone.label,
        splits=tuple(sample.split or "" for sample in samples),
        groups=group_images(samples),
        failed=failed,
    )
