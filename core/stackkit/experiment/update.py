"""Update a trained model with the images of another dataset, without those that it was trained on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit import __version__
from stackkit.api.dataset import Dataset, FailedImage
from stackkit.api.errors import UsageError
from stackkit.api.reporter import Reporter
from stackkit.bundle import UpdateRecord
from stackkit.evaluation.inputs import UsableFeatures, usable_features
from stackkit.evaluation.protocol import groups_of
from stackkit.execution.opening import LOCAL, opened
from stackkit.experiment.class_names import joined_classes
from stackkit.experiment.features import computed_features
from stackkit.extraction.dataset import open_dataset
from stackkit.extraction.estimate import Estimate
from stackkit.host.configured_component import ConfiguredComponent
from stackkit.host.registry import Registry
from stackkit.model.model import Model
from stackkit.model.updated_model import NewImages, measured, updated_model
from stackkit.model.updating import check_updatable
from stackkit.prediction.networks import on_machine, open_backbones
from stackkit.preview import Preview, make_preview
from stackkit.recipe import Recipe, ResolvedRecipe
from stackkit.store import FeatureStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Updated:
    """An updated model, and the images that could not be read.

    Attributes
    ----------
    model : Model
        The model; `facts["updates"]` ends with this update.
    failed : tuple of FailedImage
        Images of the dataset that the update left out.

    """

    model: Model
    failed: tuple[FailedImage, ...]

    @property
    def record(self) -> Mapping[str, Any]:
        """What the manifest says about this update."""
        found: Mapping[str, Any] = self.model.facts["updates"][-1]
        return found


def update(
    model: Model,
    recipe: Recipe,
    registry: Registry,
    store: FeatureStore,
    reporter: Reporter,
    *,
    begin: Callable[[Preview], None] = lambda preview: None,
    expect: Callable[[Estimate], None] = lambda estimate: None,
) -> Updated:
    """Let a model answer for new images, which tests it, and then fit it on them too.

    Parameters
    ----------
    model : Model
        The model; it stays as it is.
    recipe : Recipe
        The dataset with the new images, `strict`, device, threads and executor; all else is the model's.
        Classes are matched by name; names that the model does not know are new classes.
    registry, store, reporter
        Where components are found, where features are kept, and what shows progress.
    begin, expect
        As for `run`.

    Raises
    ------
    UsageError
        If the model cannot be updated, the dataset reads images in another way, or the model knows all
        of its images.
    StackkitError
        As for `extract_features`.

    """
    check_updatable(model.stack, [each.shape[1] for each in model.novelty.means])
    components = _components(model, recipe, registry)
    dataset = open_dataset(components.dataset, least_classes=1)
    check_pixels(model, components.dataset)
    classes = joined_classes(model.classes, _used_classes(dataset))
    open_backbones(components.backbones, model.revisions)  # refuses networks with other features
    preview = make_preview(recipe, components, dataset, store)
    begin(preview)
    task = (recipe, preview, dataset, store, reporter, expect)
    with opened(components.executor) as executor:
        rows, summary = computed_features(*task, executor)
    usable = usable_features(dataset, rows, preview.backbones, store)
    new = _new_images(model, recipe, dataset, usable, classes)
    before = measured(model, new)
    record = _record(model, components.dataset.label, new, len(usable.rows))
    return Updated(model=updated_model(model, new, record, before), failed=summary.failed)


def _record(model: Model, dataset: str, new: NewImages, n_usable: int) -> UpdateRecord:
    return UpdateRecord(
        stackkit=__version__,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        dataset=dataset,
        images=len(new.labels),
        known_images=n_usable - len(new.labels),
        new_classes=new.classes[len(model.classes) :],
        previous=str(model.facts.get("sha256", "")),
    )


def _components(model: Model, recipe: Recipe, registry: Registry) -> ResolvedRecipe:
    machine = (recipe.device, recipe.threads)
    return ResolvedRecipe(
        dataset=registry.one("dataset", recipe.dataset),
        backbones=tuple(on_machine(each, *machine) for each in model.backbones),
        learners=(),
        aggregators=(),
        baselines=(),
        executor=None if recipe.executor == LOCAL else registry.one("executor", recipe.executor),
    )


def check_pixels(model: Model, dataset: ConfiguredComponent) -> None:
    """Refuse a dataset whose options read images in another way than in training.

    Raises
    ------
    UsageError
        If an option differs; the text says what to set.

    """
    for name, expected in model.facts.get("pixels", {}).items():
        found = dataset.options.get(name, expected)
        if str(found) != str(expected):  # one of both comes from JSON, which has no tuples
            raise UsageError(
                f"the model was trained on images that were read with {name}={expected}, and "
                f"{dataset.label} has {name}={found}, which gives other features; set {name}={expected}"
            )


def _used_classes(dataset: Dataset) -> list[str]:
    """Return the classes of a dataset that have images, in its order."""
    used = {sample.label for sample in dataset.samples}
    return [name for label, name in enumerate(dataset.classes) if label in used]


def _new_images(
    model: Model, recipe: Recipe, dataset: Dataset, usable: UsableFeatures, classes: Sequence[str]
) -> NewImages:
    """Return the images that the model does not know."""
    fresh = np.ones(len(usable.rows), dtype=bool)
    if model.images is not None:
        fresh = ~model.images.known(usable.fingerprints)
    kept: NDArray[np.int64] = np.flatnonzero(fresh)
    if not len(kept):
        raise UsageError(
            f"the model was fitted on all {len(fresh):,} images of this dataset already, so there is "
            "nothing to add; pass a dataset with new images"
        )
    number = {name: label for label, name in enumerate(classes)}
    labels = [number[dataset.classes[dataset.samples[int(row)].label]] for row in usable.rows[kept]]
    # A class whose images are all known already is no new class.
    used = {label for label in labels if label >= len(model.classes)}
    names = (*model.classes, *(classes[label] for label in sorted(used)))
    position = {label: at for at, label in enumerate(sorted({*range(len(model.classes)), *used}))}
    return NewImages(
        features=[replace(each, used_rows=each.used_rows[kept]) for each in usable.features],
        labels=np.array([position[label] for label in labels], dtype=np.int64),
        fingerprints=[usable.fingerprints[int(row)] for row in kept],
        classes=names,
        groups=groups_of(recipe, dataset, usable.rows[kept].tolist(), ()),
    )
