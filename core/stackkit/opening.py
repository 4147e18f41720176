"""From chosen components to a dataset and backbones that are ready to work, and their provenance."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import cast

from stackkit import __version__
from stackkit.errors import DatasetError, WeightsError
from stackkit.extract import NamedBackbone
from stackkit.host import Component
from stackkit.registry import Choice, Registry, describe
from stackkit.types import Dataset

PACKAGES = ("h5py", "keras", "mlxtend", "numpy", "pillow", "scikit-learn", "tensorflow")


def open_dataset(choice: Choice) -> Dataset:
    """The dataset; raises DatasetError if fewer than two of its classes have images."""
    dataset = cast(Dataset, choice.create())
    present = {sample.label for sample in dataset.samples}
    if len(present) < 2:
        raise DatasetError(
            f"{choice.text} has {len(present)} class with images; at least two are wanted"
        )
    return dataset


def open_backbone(choice: Choice, registry: Registry) -> NamedBackbone:
    """A backbone whose weights are at hand; otherwise the error says which backbones can run."""
    backbone = choice.create()
    label = choice.text if backbone.trained else f"{choice.text} (untrained)"
    try:
        revision = backbone.revision
    except WeightsError as error:
        ready = [registry.short_name(c) for c in registry.of_kind("backbone") if _is_ready(registry, c)]
        raise WeightsError(
            f"{error}. Backbones that can run now: {', '.join(ready) or 'none'}"
        ) from error
    provenance = {
        "component": describe([choice])[0],
        "revision": revision,
        "stackkit": __version__,
        "versions": versions(),
        "untrained": not backbone.trained,
    }
    return NamedBackbone(
        label=label,
        qualified_name=choice.component.qualified_name,
        backbone=backbone,
        provenance=provenance,
    )


def _is_ready(registry: Registry, component: Component) -> bool:
    return registry.default(component).lacking() is None


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that figures depend on."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
