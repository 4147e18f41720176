"""A model: a fitted stack, and what makes its answers trustworthy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from stackkit.evaluation.features import Features
from stackkit.host.configured_component import ConfiguredComponent
from stackkit.model.answers import Answers
from stackkit.model.examples import Examples
from stackkit.model.novelty import NoveltyDetector
from stackkit.model.reliability import Reliability
from stackkit.model.stack import Stack
from stackkit.model.training_images import TrainingImages
from stackkit.statistics.calibration import Calibration


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A fitted stack, its backbones, and what is known about its answers.

    Parameters
    ----------
    classes : tuple of str
        Names of the classes; labels are indices into them.
    backbones : tuple of ConfiguredComponent
        Where features come from, in the order that `Stack.answer` takes them.
    revisions : tuple of str
        Revision of each backbone when the model was fitted; another one gives other features.
    stack : Stack
        The fitted stack.
    calibration : Calibration
        Found on out-of-fold scores.
    reliability : Reliability
        Confidence and correctness of out-of-fold answers, from which thresholds are derived.
    novelty : NoveltyDetector
        Tells images that look unlike the training images.
    examples : Examples or None
        Training images to show beside answers.
    images : TrainingImages or None
        What it was fitted on, if it can be updated, so that an update counts no image twice.
    facts : mapping of str to JSON value
        What the manifest says besides: accuracy with its interval and protocol, recipe, dataset,
        versions, time. See `docs/reference/bundle.md`.

    """

    classes: tuple[str, ...]
    backbones: tuple[ConfiguredComponent, ...]
    revisions: tuple[str, ...]
    stack: Stack
    calibration: Calibration
    reliability: Reliability
    novelty: NoveltyDetector
    examples: Examples | None = None
    images: TrainingImages | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def answer(self, features: Sequence[Features]) -> Answers:
        """Classify images by their features, one entry per backbone; reads all rows of each."""
        found = self.stack.answer(features)
        novelty = self.novelty.novelty(features)
        return Answers(
            labels=found.labels,
            probabilities=self.calibration.probabilities(found.scores),
            votes=found.votes,
            novelty=novelty,
            novel=novelty > self.novelty.quantile,
        )
