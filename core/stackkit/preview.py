"""What is about to happen, and what it is going to take, before it does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stackkit.api.types import Dataset
from stackkit.evaluation.protocol import Protocol, protocol_of
from stackkit.extraction.backbone import CheckedBackbone
from stackkit.extraction.estimate import BackboneEstimate, Estimate
from stackkit.host.component import ConfiguredComponent
from stackkit.recipe import Recipe, ResolvedRecipe
from stackkit.store import FeatureStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is about to happen, known before the first image goes through a network.

    `lacking[i]` says what backbone i needs before it can work offline, None if nothing, and
    `row_bytes[i]` what its features of one image take on disk. `absent` says what has to be done
    before the dataset can be read, None if nothing; it then has 0 images and classes as yet.
    """

    components: ResolvedRecipe
    protocol: Protocol
    n_images: int
    n_classes: int
    backbones: tuple[CheckedBackbone, ...]
    unavailable_reason: tuple[str | None, ...]
    row_bytes: tuple[int, ...]
    absent: str | None = None

    @property
    def feature_bytes(self) -> int:
        """Room that the features of all backbones take on disk."""
        return sum(self.row_bytes) * self.n_images

    def with_unready(self, ready: Estimate) -> Estimate:
        """The forecast of the backbones that lack nothing, and what is known of the others, in order."""
        known = iter(ready.backbones)
        return Estimate(
            backbones=tuple(
                self._unready(i) if self.unavailable_reason[i] else next(known)
                for i in range(len(self.backbones))
            ),
            free_bytes=ready.free_bytes,
        )

    def _unready(self, i: int) -> BackboneEstimate:
        return BackboneEstimate(
            label=self.backbones[i].label,
            images=self.n_images,
            images_per_s=None,
            new_bytes=self.row_bytes[i] * self.n_images,
            unavailable_reason=self.unavailable_reason[i],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """A plan and what it is going to take; None if the dataset is absent."""

    plan: Plan
    forecast: Estimate | None

    def document(self) -> dict[str, Any]:
        """As JSON; times in seconds, null where unknown."""
        plan, forecast = self.plan, self.forecast
        document = {
            "dataset": plan.components.dataset.text,
            "unavailable_reason": plan.absent,
            "n_images": plan.n_images,
            "n_classes": plan.n_classes,
        }
        if forecast is None:
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
                for one in forecast.backbones
            ],
            "seconds": forecast.seconds if forecast.is_complete else None,
            "new_bytes": forecast.new_bytes,
            "free_bytes": forecast.free_bytes,
        }

    def _without_images(self) -> list[dict[str, Any]]:
        unknown = dict.fromkeys(("images", "images_per_s", "seconds", "new_bytes"))
        named = zip(self.plan.backbones, self.plan.unavailable_reason, strict=True)
        return [
            {"name": one.label, **unknown, "unavailable_reason": unavailable_reason}
            for one, unavailable_reason in named
        ]


def make_plan(
    recipe: Recipe,
    components: ResolvedRecipe,
    dataset: Dataset | None,
    named: Sequence[CheckedBackbone],
    store: FeatureStore,
) -> Plan:
    """The plan of a recipe; asks each backbone what it lacks and downloads nothing.

    Without `dataset` it is that of a dataset which is absent.
    """
    return Plan(
        components=components,
        protocol=protocol_of(recipe),
        n_images=len(dataset.samples) if dataset else 0,
        n_classes=len(dataset.classes) if dataset else 0,
        backbones=tuple(named),
        unavailable_reason=tuple(map(ConfiguredComponent.unavailable_reason, components.backbones)),
        row_bytes=tuple(store.row_bytes(one.backbone.feature_dim) for one in named),
        absent=None if dataset else components.dataset.unavailable_reason(),
    )
