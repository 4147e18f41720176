"""What is about to happen, and what it is going to take, before it does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from stackkit.backbones import NamedBackbone
from stackkit.choice import Choice
from stackkit.forecast import BackboneForecast, Forecast
from stackkit.recipe import Ingredients, Recipe
from stackkit.report.document import Protocol
from stackkit.store import FeatureStore
from stackkit.types import Dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is about to happen, known before the first image goes through a network.

    `lacking[i]` says what backbone i needs before it can work offline, None if nothing, and
    `row_bytes[i]` what its features of one image take on disk. `absent` says what has to be done
    before the dataset can be read, None if nothing; it then has 0 images and classes as yet.
    """

    ingredients: Ingredients
    protocol: Protocol
    n_images: int
    n_classes: int
    backbones: tuple[NamedBackbone, ...]
    lacking: tuple[str | None, ...]
    row_bytes: tuple[int, ...]
    absent: str | None = None

    @property
    def feature_bytes(self) -> int:
        """Room that the features of all backbones take on disk."""
        return sum(self.row_bytes) * self.n_images

    def with_unready(self, ready: Forecast) -> Forecast:
        """The forecast of the backbones that lack nothing, and what is known of the others, in order."""
        known = iter(ready.backbones)
        return Forecast(
            backbones=tuple(
                self._unready(i) if self.lacking[i] else next(known) for i in range(len(self.backbones))
            ),
            free_bytes=ready.free_bytes,
        )

    def _unready(self, i: int) -> BackboneForecast:
        return BackboneForecast(
            label=self.backbones[i].label,
            images=self.n_images,
            images_per_s=None,
            new_bytes=self.row_bytes[i] * self.n_images,
            lacking=self.lacking[i],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """A plan and what it is going to take; None if the dataset is absent."""

    plan: Plan
    forecast: Forecast | None

    def document(self) -> dict[str, Any]:
        """As JSON; times in seconds, null where unknown."""
        plan, forecast = self.plan, self.forecast
        document = {
            "dataset": plan.ingredients.dataset.text,
            "lacking": plan.absent,
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
                    "lacking": one.lacking,
                }
                for one in forecast.backbones
            ],
            "seconds": forecast.seconds if forecast.is_complete else None,
            "new_bytes": forecast.new_bytes,
            "free_bytes": forecast.free_bytes,
        }

    def _without_images(self) -> list[dict[str, Any]]:
        unknown = dict.fromkeys(("images", "images_per_s", "seconds", "new_bytes"))
        named = zip(self.plan.backbones, self.plan.lacking, strict=True)
        return [{"name": one.label, **unknown, "lacking": lacking} for one, lacking in named]


def make_plan(
    recipe: Recipe,
    ingredients: Ingredients,
    dataset: Dataset | None,
    named: Sequence[NamedBackbone],
    store: FeatureStore,
) -> Plan:
    """The plan of a recipe; asks each backbone what it lacks and downloads nothing.

    Without `dataset` it is that of a dataset which is absent.
    """
    return Plan(
        ingredients=ingredients,
        protocol=protocol_of(recipe),
        n_images=len(dataset.samples) if dataset else 0,
        n_classes=len(dataset.classes) if dataset else 0,
        backbones=tuple(named),
        lacking=tuple(map(Choice.lacking, ingredients.backbones)),
        row_bytes=tuple(store.row_bytes(one.backbone.feature_dim) for one in named),
        absent=None if dataset else ingredients.dataset.lacking(),
    )


def protocol_of(recipe: Recipe) -> Protocol:
    """How a recipe's figures are going to be measured."""
    if recipe.official:
        return Protocol(kind="official-split", folds=1, shuffle=False, seed=recipe.seed)
    return Protocol(
        kind="cross-validation",
        folds=recipe.cv,
        repeats=recipe.repeats,
        shuffle=recipe.shuffle,
        seed=recipe.seed,
    )
