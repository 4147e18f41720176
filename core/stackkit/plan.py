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
from stackkit.types import Dataset


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is about to happen, known before the first image goes through a network.

    `lacking[i]` says what backbone i needs before it can work offline, None if nothing.
    """

    ingredients: Ingredients
    protocol: Protocol
    n_images: int
    n_classes: int
    backbones: tuple[NamedBackbone, ...]
    lacking: tuple[str | None, ...]

    @property
    def feature_bytes(self) -> int:
        """Room that the features of all backbones take on disk."""
        return sum(map(self._feature_bytes, self.backbones))

    def with_unready(self, ready: Forecast) -> Forecast:
        """The forecast of the backbones that lack nothing, and what is known of the others, in order."""
        known = iter(ready.backbones)
        return Forecast(
            backbones=tuple(
                self._unready(named, lacking) if lacking else next(known)
                for named, lacking in zip(self.backbones, self.lacking, strict=True)
            ),
            free_bytes=ready.free_bytes,
        )

    def _unready(self, named: NamedBackbone, lacking: str) -> BackboneForecast:
        return BackboneForecast(
            label=named.label,
            images=self.n_images,
            images_per_s=None,
            new_bytes=self._feature_bytes(named),
            lacking=lacking,
        )

    def _feature_bytes(self, named: NamedBackbone) -> int:
        return 4 * named.backbone.feature_dim * self.n_images


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """A plan and what it is going to take."""

    plan: Plan
    forecast: Forecast

    def document(self) -> dict[str, Any]:
        """As JSON; times in seconds, null where unknown."""
        forecast = self.forecast
        return {
            "dataset": self.plan.ingredients.dataset.text,
            "n_images": self.plan.n_images,
            "n_classes": self.plan.n_classes,
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


def make_plan(
    recipe: Recipe, ingredients: Ingredients, dataset: Dataset, named: Sequence[NamedBackbone]
) -> Plan:
    """The plan of a recipe; asks each backbone what it lacks and downloads nothing."""
    return Plan(
        ingredients=ingredients,
        protocol=protocol_of(recipe),
        n_images=len(dataset.samples),
        n_classes=len(dataset.classes),
        backbones=tuple(named),
        lacking=tuple(map(Choice.lacking, ingredients.backbones)),
    )


def protocol_of(recipe: Recipe) -> Protocol:
    """How a recipe's figures are going to be measured."""
    if recipe.official:
        return Protocol(kind="official-split", folds=1, shuffle=False, seed=recipe.seed)
    return Protocol(kind="cross-validation", folds=recipe.cv, shuffle=recipe.shuffle, seed=recipe.seed)
