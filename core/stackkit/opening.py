"""From chosen components to a dataset and backbones that are ready to work, and their provenance."""

from __future__ import annotations

import hashlib
import json
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast, get_args

from stackkit import __version__
from stackkit.backbones import NamedBackbone
from stackkit.choice import Choice, describe
from stackkit.errors import DatasetError, ImageError, StackkitError, UsageError, WeightsError, one_line
from stackkit.host import Component
from stackkit.recipe import Ingredients
from stackkit.registry import Registry
from stackkit.specs import LearnerSpec
from stackkit.store import BackboneKey
from stackkit.types import Dataset, FitOn, Sample
from stackkit.versions import code_digest, surroundings, versions

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedDataset:
    """A dataset that keeps what the protocol promises, whoever wrote it."""

    choice: Choice
    dataset: Dataset
    classes: tuple[str, ...]
    samples: tuple[Sample, ...]
    notes: tuple[str, ...]

    def image(self, i: int) -> Image.Image:
        """Image i, mode RGB; raises OSError or ImageError, whatever a decoder raised.

        Raises PluginError if the dataset hands out another mode: that is no fault of the image's.
        """
        try:
            image = self.dataset.image(i)
        except (OSError, StackkitError):
            raise
        except Exception as error:  # Pillow alone raises half a dozen types on broken files
            raise ImageError(one_line(error)) from error
        except BaseException:  # it exits, or an extension panics: not this image's fault
            with self.choice.blamed():
                raise
        with self.choice.blamed():
            if image.mode != "RGB":
                raise ValueError(f"{self.samples[i].id} has mode {image.mode}, RGB is wanted")
        return image

    def fingerprint(self, i: int) -> str:
        """The fingerprint of image i; raises OSError or ImageError, and PluginError if it is none."""
        with self.choice.blamed():
            try:
                fingerprint = self.dataset.fingerprint(i)
            except OSError as error:
                raise ImageError(one_line(error)) from error
            if not (0 < len(fingerprint) <= 64 and fingerprint.isascii()):
                raise ValueError(
                    f"{self.samples[i].id} has a fingerprint of {len(fingerprint)} characters, "
                    "1 to 64 in ASCII are wanted"
                )
            return fingerprint


def open_dataset(choice: Choice) -> CheckedDataset:
    """The dataset, read and checked once.

    Raises DatasetError if fewer than two classes have images, and PluginError if ids or labels
    are not what the protocol promises.
    """
    dataset = cast(Dataset, choice.create())
    with choice.blamed():
        checked = CheckedDataset(
            choice=choice,
            dataset=dataset,
            classes=tuple(dataset.classes),
            samples=tuple(dataset.samples),
            notes=tuple(dataset.notes),
        )
        for sample in checked.samples:
            sample.id.encode()  # a text that UTF-8 has no bytes for could be neither stored nor shown
        ids = {sample.id for sample in checked.samples}
        if len(ids) < len(checked.samples):
            raise ValueError(f"{len(checked.samples)} samples have {len(ids)} different ids")
        labels = {sample.label for sample in checked.samples}
        if labels and not labels <= set(range(len(checked.classes))):
            raise ValueError(f"labels {min(labels)} to {max(labels)} for {len(checked.classes)} classes")
    if len(labels) < 2:
        raise DatasetError(f"{choice.text} has {len(labels)} class with images; at least two are wanted")
    return checked


def make_classifiers(ingredients: Ingredients) -> None:
    """Make every classifier once, so that what cannot be made is refused before extraction.

    Raises UsageError if an aggregator needs probabilities and the learner gives none.
    """
    learner = ingredients.learner
    gives_probabilities = cast(LearnerSpec, learner.component.spec).probabilities
    for choice in ingredients.classifiers:
        choice.create()
    for choice in ingredients.aggregators:
        with choice.blamed():
            fit_on = choice.create().fit_on
            if fit_on not in get_args(FitOn):
                raise ValueError(f"fit_on is {fit_on!r}; one of {', '.join(get_args(FitOn))} is wanted")
        if fit_on != "features" and not gives_probabilities:
            raise UsageError(
                f"learner {learner.name} gives no probabilities, which {choice.name} needs; use "
                f"logistic, or --baseline {learner.name} to see it per backbone"
            )


def make_backbone(choice: Choice) -> NamedBackbone:
    """A backbone by the label users see; its weights need not be there yet."""
    backbone = choice.create()
    with choice.blamed():
        trained = backbone.trained
        size, width = backbone.image_size, backbone.feature_dim
        if not (operator.index(size) > 0 and operator.index(width) > 0):
            raise ValueError(f"image_size {size} and feature_dim {width}: positive numbers are wanted")
    provenance = {
        "component": describe([choice])[0],
        "stackkit": __version__,
        "versions": versions(),
        "untrained": not trained,
    }
    return NamedBackbone(
        label=choice.text if trained else f"{choice.text} (untrained)",
        qualified_name=choice.component.qualified_name,
        backbone=backbone,
        provenance=provenance,
        code=choice.component.code,
        maker="" if choice.component.is_own else _maker(choice),
    )


def _maker(choice: Choice) -> str:
    """A digest of what computes a stranger's features: its code, what that needs, and every option."""
    component = choice.component
    code = component.code or code_digest(component.spec.factory.partition(":")[0])
    needed = surroundings(component.distribution)
    content = [component.distribution, component.version, code, needed, dict(choice.options)]
    return hashlib.blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=8).hexdigest()


def require_weights(
    choices: Sequence[Choice], named: Sequence[NamedBackbone], registry: Registry
) -> None:
    """Have every backbone's weights at hand, downloading them if need be.

    Raises WeightsError that says which backbones can run now, and UsageError if two backbones
    are one: a feature that counts twice would pass for a gain.
    """
    keys: dict[BackboneKey, str] = {}
    for choice, backbone in zip(choices, named, strict=True):
        try:
            with choice.blamed():
                key = backbone.key
        except WeightsError as error:
            ready = [registry.short_name(c) for c in registry.of_kind("backbone") if _ready(registry, c)]
            raise WeightsError(
                f"{error}. Backbones that can run now: {', '.join(ready) or 'none'}"
            ) from error
        if key in keys:
            raise UsageError(
                f"{keys[key]} and {backbone.label} are one revision, {key.revision!r}, and count as the "
                "same features; name one of them (if they differ, the plugin's revision must tell)"
            )
        keys[key] = backbone.label


def _ready(registry: Registry, component: Component) -> bool:
    return registry.default(component).lacking() is None
