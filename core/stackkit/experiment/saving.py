"""Train a model beside an evaluation, and write it to a bundle that the report mentions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from stackkit.api.reporter import Reporter
from stackkit.bundle import check_target
from stackkit.experiment.run import Choose, Steps
from stackkit.experiment.train import Trained, chooser, train
from stackkit.host.registry import Registry
from stackkit.model.saved import save_model
from stackkit.recipe import Recipe
from stackkit.report.report import Report
from stackkit.store import FeatureStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """Where a model is written, and what of.

    Attributes
    ----------
    path : Path or None
        The bundle; None writes none.
    aggregator : str
        Name of the model's aggregator; "" for the recipe's first.
    ask : bool
        Whether several aggregators that the user named are refused, rather than to take the first.
    overwrite, with_weights : bool
        As for `save_model`.
    with_examples : bool
        Whether the model keeps thumbnails and features of training images.
    licence : str
        Note on what the weights and images allow.

    """

    path: Path | None = None
    aggregator: str = ""
    ask: bool = False
    overwrite: bool = False
    with_weights: bool = False
    with_examples: bool = False
    licence: str = ""

    def check(self) -> None:
        """Raise an error if the bundle cannot be written, before hours of work."""
        if self.path:
            check_target(self.path, overwrite=self.overwrite)

    def chooser(self, recipe: Recipe) -> Choose:
        """Return what chooses the model's aggregator, or refuses what cannot be saved."""
        return chooser(recipe, self.aggregator, ask=self.ask, with_weights=self.with_weights)

    def train(
        self,
        recipe: Recipe,
        registry: Registry,
        store: FeatureStore,
        reporter: Reporter,
        steps: Steps,
    ) -> Trained:
        """Evaluate a recipe and fit a model."""
        return train(
            recipe,
            registry,
            store,
            reporter,
            steps,
            aggregator=self.aggregator,
            ask=self.ask,
            with_weights=self.with_weights,
            with_examples=self.with_examples,
            licence=self.licence,
        )

    def save(self, trained: Trained) -> Report:
        """Write the bundle; return the report with what `report.json` and `--json` say about it."""
        if not self.path:
            return trained.report
        model, report = trained.model, trained.report
        digest = save_model(model, self.path, with_weights=self.with_weights, overwrite=self.overwrite)
        written = {
            "path": str(self.path),
            "sha256": digest,
            "bytes": self.path.stat().st_size,
            "aggregator": model.stack.aggregator.label,
            "accuracy": model.facts["accuracy"],
            "untrained": model.facts["untrained"],
        }
        return replace(report, model={**(report.model or {}), **written})
