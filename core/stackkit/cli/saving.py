"""Train a model beside an evaluation, write it to a bundle, and say how good it is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stackkit.api.errors import UsageError

if TYPE_CHECKING:
    from stackkit.api.reporter import Reporter
    from stackkit.experiment.run import Choose, Steps
    from stackkit.experiment.train import Trained
    from stackkit.host.registry import Registry
    from stackkit.recipe import Recipe
    from stackkit.store import FeatureStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Saving:
    """Where a model is written, and what of.

    Attributes
    ----------
    path : Path
        The bundle.
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

    path: Path
    aggregator: str = ""
    ask: bool = False
    overwrite: bool = False
    with_weights: bool = False
    with_examples: bool = False
    licence: str = ""

    def check(self) -> None:
        """Raise an error if the bundle cannot be written, before hours of work."""
        from stackkit.bundle import check_target

        check_target(self.path, overwrite=self.overwrite)

    def chooser(self, recipe: Recipe) -> Choose:
        """Return what chooses the model's aggregator, or refuses what cannot be saved."""
        from stackkit.experiment.train import chooser

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
        from stackkit.experiment.train import train

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
        )

    def save(self, trained: Trained) -> dict[str, Any]:
        """Write the bundle; return what `report.json` and `--json` say about it besides."""
        from dataclasses import replace

        from stackkit.model.saved import save_model

        model = replace(trained.model, facts={**trained.model.facts, "licence": self.licence})
        digest = save_model(model, self.path, with_weights=self.with_weights, overwrite=self.overwrite)
        return {
            "path": str(self.path),
            "sha256": digest,
            "bytes": self.path.stat().st_size,
            "aggregator": model.stack.aggregator.label,
            "accuracy": model.facts["accuracy"],
            "untrained": model.facts["untrained"],
        }


_OF_MODELS = {
    "aggregator": "--save-aggregator",
    "with_weights": "--with-weights",
    "with_examples": "--with-examples",
    "licence": "--licence",
}
"""Options of `stackkit run` that only say what a saved model is like."""


def saving_or_none(path: Path | None, folder: Path | None, **given: Any) -> Saving | None:
    """Return what `stackkit run` saves, checked; raises UsageError for options without --save.

    `folder` is where the report goes.
    """
    if path:
        if folder and path.absolute() == folder.absolute():
            raise UsageError(f"--out is a folder and --save a file, got {path} for both")
        saving = Saving(path=path, **given)
        saving.check()
        return saving
    without = next((option for name, option in _OF_MODELS.items() if given.get(name)), None)
    if without:
        raise UsageError(f"{without} needs --save FILE, which writes a model")
    return None


def model_lines(trained: Trained, path: Path) -> Iterator[str]:
    """Yield lines that say what a model is, what to expect of it, and what to do with it."""
    from rich.filesize import decimal

    model, facts = trained.model, trained.model.facts
    networks = ", ".join(each.label for each in model.backbones)
    size = decimal(path.stat().st_size)
    yield f"model       {path} ({size}): {model.stack.aggregator.label} on {networks}"
    if facts["untrained"]:
        yield "untrained   networks have random weights, so answers of this model mean little"
    yield f"accuracy    {expected(facts['accuracy'])}"
    calibration, reliable = facts["calibration"], facts["reliability"]
    loss, error = calibration["log_loss"], calibration["ece"]
    yield (
        f"calibration log-loss {loss['before']:.3f} -> {loss['after']:.3f}, expected calibration error "
        f"{percent(error['before'])} -> {percent(error['after'])}"
    )
    yield f"precision   {_coverage(reliable)}"
    yield f"next        stackkit predict {path} photos/"


def expected(accuracy: dict[str, Any]) -> str:
    """Return the accuracy to expect, with its interval and how it was measured."""
    low, high = accuracy["interval"]
    return (
        f"{percent(accuracy['accuracy'])} [{percent(low)}, {percent(high)}] expected for images like "
        f"these ({accuracy['protocol']})"
    )


def percent(share: float) -> str:
    """Return a share from 0 to 1 in percent."""
    return f"{100 * share:.1f} %"


def _coverage(reliable: dict[str, Any]) -> str:
    target = percent(reliable["target_precision"])
    if not reliable["coverage"]:
        return f"no probability makes {target} of the answers right"
    return (
        f"{target} of the answers are right from probability {reliable['confidence']:.2f} on, which "
        f"{percent(reliable['coverage'])} of the images reach"
    )
