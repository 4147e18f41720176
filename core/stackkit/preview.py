"""Describe what a run is about to do and what it will take, before it does it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stackkit.api.dataset import Dataset
from stackkit.evaluation.protocol import Protocol, protocol_of
from stackkit.extraction.backbone import CheckedBackbone, make_backbone
from stackkit.extraction.estimate import BackboneEstimate, Estimate
from stackkit.extraction.feature_set import FeatureSet, sets_of
from stackkit.host.configured_component import ConfiguredComponent
from stackkit.recipe import Recipe, ResolvedRecipe, title
from stackkit.store import FeatureStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What is known of a run before the first image goes through a network.

    Parameters
    ----------
    components : ResolvedRecipe
        The recipe's components.
    protocols : tuple of Protocol
        How accuracy will be measured: one, or cross-validation and then the official split.
    n_images, n_classes : int
        Size of the dataset; 0 while it has not been fetched.
    backbones : tuple of CheckedBackbone
        The backbones.
    unavailable_reasons : tuple of (str or None)
        For each backbone, what is missing to run it offline now, or None.
    value_bytes : int
        Bytes on disk that one feature takes.
    dataset_unavailable_reason : str or None
        What must be done before the dataset can be read, or None.
    recipe : str
        Name or path of the recipe, and the settings that replace its own; "" for the published one.

    """

    components: ResolvedRecipe
    protocols: tuple[Protocol, ...]
    n_images: int
    n_classes: int
    backbones: tuple[CheckedBackbone, ...]
    unavailable_reasons: tuple[str | None, ...]
    value_bytes: int
    dataset_unavailable_reason: str | None = None
    recipe: str = ""

    @property
    def protocol(self) -> Protocol:
        """The protocol, or the first of two."""
        return self.protocols[0]

    @property
    def feature_bytes(self) -> int:
        """Bytes on disk that the features of all backbones take."""
        return self.image_bytes * self.n_images

    @property
    def image_bytes(self) -> int:
        """Bytes on disk that the features of one image take, in all views."""
        widths = {
            one.label: one.backbone.backbone.feature_dim
            for backbone in self.backbones
            for one in sets_of(backbone)
        }
        return self.value_bytes * sum(widths.values())

    def complete(self, estimate: Estimate) -> Estimate:
        """Add the feature sets of unavailable backbones, in order, to an estimate of the others."""
        known = {one.label: one for one in estimate.backbones}
        found = dict[str, BackboneEstimate]()
        for backbone, reason in zip(self.backbones, self.unavailable_reasons, strict=True):
            for one in sets_of(backbone):
                if one.label in known:
                    found[one.label] = known[one.label]
                elif reason:
                    found[one.label] = self._unknown(one, reason)
        return Estimate(backbones=tuple({**found, **known}.values()), free_bytes=estimate.free_bytes)

    def _unknown(self, one: FeatureSet, reason: str) -> BackboneEstimate:
        width = one.backbone.backbone.feature_dim
        return BackboneEstimate(
            label=one.label,
            images=self.n_images,
            images_per_s=None,
            new_bytes=self.value_bytes * width * self.n_images,
            unavailable_reason=reason,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """What `--dry-run` shows: a preview and an estimate, which is None without the dataset."""

    preview: Preview
    estimate: Estimate | None

    def document(self) -> dict[str, Any]:
        """Return plain JSON types; times in seconds, sizes in bytes, null where unknown."""
        preview, estimate = self.preview, self.estimate
        document = {
            "dataset": preview.components.dataset.label,
            "unavailable_reason": preview.dataset_unavailable_reason,
            "n_images": preview.n_images,
            "n_classes": preview.n_classes,
        }
        if estimate is None:
            unknown = ("n_images", "n_classes", "seconds", "new_bytes", "free_bytes")
            return document | dict.fromkeys(unknown) | {"backbones": self._without_images()}
        return document | {
            "backbones": [
                {
                    "name": one.label,
                    "images": one.images,
                    "images_per_s": one.images_per_s,
                    "seconds": one.seconds,
                    "new_bytes": one.new_bytes,
                    "unavailable_reason": one.unavailable_reason,
                }
                for one in estimate.backbones
            ],
            "seconds": estimate.seconds if estimate.is_complete else None,
            "new_bytes": estimate.new_bytes,
            "free_bytes": estimate.free_bytes,
        }

    def _without_images(self) -> list[dict[str, Any]]:
        unknown = dict.fromkeys(("images", "images_per_s", "seconds", "new_bytes"))
        return [
            {"name": backbone.label, **unknown, "unavailable_reason": reason}
            for backbone, reason in zip(
                self.preview.backbones, self.preview.unavailable_reasons, strict=True
            )
        ]


def make_preview(
    recipe: Recipe, components: ResolvedRecipe, dataset: Dataset | None, store: FeatureStore
) -> Preview:
    """Create the backbones and describe the run; downloads nothing.

    Parameters
    ----------
    recipe : Recipe
        The recipe.
    components : ResolvedRecipe
        Its components.
    dataset : Dataset or None
        The opened dataset; None if it has not been fetched.
    store : FeatureStore
        Where features will be stored.

    Returns
    -------
    Preview
        What the run will do.

    Raises
    ------
    PluginError
        If a backbone cannot be created.

    """
    backbones = tuple(map(make_backbone, components.backbones))
    return Preview(
        components=components,
        protocols=tuple(protocol_of(each, dataset) for each in recipe.protocols),
        n_images=len(dataset.samples) if dataset else 0,
        n_classes=len(dataset.classes) if dataset else 0,
        backbones=backbones,
        unavailable_reasons=tuple(map(ConfiguredComponent.unavailable_reason, components.backbones)),
        value_bytes=store.row_bytes(1),
        dataset_unavailable_reason=None if dataset else components.dataset.unavailable_reason(),
        recipe=title(recipe),
    )
