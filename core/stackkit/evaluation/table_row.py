"""A row of the result table: what was fitted on which features, and how users see it named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stackkit.api.aggregator import FitOn
from stackkit.evaluation.features import Features
from stackkit.evaluation.metrics import ResultKind
from stackkit.host.configured_component import ConfiguredComponent


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRow:
    """A classifier on the features of one or all backbones.

    Parameters
    ----------
    classifier : ConfiguredComponent
        The baseline, learner or aggregator.
    kind : {"baseline", "learner", "aggregator"}
        What the classifier is in this run.
    features : sequence of Features
        The features that it depends on.
    learners : sequence of ConfiguredComponent
        Learners that an aggregator combines, or the one that it fits on features; empty for others.
    fit_on : {"in-sample", "out-of-fold", "features"} or None
        What an aggregator is fitted on; None for baselines and learners.
    one_of_several : bool
        Whether the run has the same aggregator on features with other learners too.

    """

    classifier: ConfiguredComponent
    kind: ResultKind
    features: Sequence[Features]
    learners: Sequence[ConfiguredComponent] = ()
    fit_on: FitOn | None = None
    one_of_several: bool = False

    @property
    def name(self) -> str:
        """Name in tables and reports, such as "logistic:C=10"."""
        return self.classifier.label + self._detail

    @property
    def title(self) -> str:
        """Name and backbones, such as "logistic on resnet50", with the seed of the run."""
        labels = [features.label for features in self.features]
        return f"{self.classifier.text}{self._detail} on {sources(labels, len(self.learners))}"

    @property
    def _detail(self) -> str:
        return f" with {self.learners[0].label}" if self.one_of_several else ""


def sources(backbones: Sequence[str], n_learners: int) -> str:
    """Say in a few words what feeds a row: "resnet50", "all 3" or "all 3 x 2 learners"."""
    networks = backbones[0] if len(backbones) == 1 else f"all {len(backbones)}"
    return f"{networks} x {n_learners} learners" if n_learners > 1 else networks
