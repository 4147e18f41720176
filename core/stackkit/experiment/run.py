"""Run whole experiments: from a recipe through components and features to a report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from stackkit.api.dataset import Dataset
from stackkit.api.reporter import Reporter
from stackkit.evaluation.classifiers import CheckedAggregator, CheckedClassifiers
from stackkit.evaluation.evaluability import check_evaluable
from stackkit.evaluation.inputs import usable_features
from stackkit.experiment.costs import costs_of
from stackkit.experiment.evaluation import Evaluation, Outputs, evaluate, failed_images_mentioned
from stackkit.experiment.features import computed_features, stored_features
from stackkit.experiment.report import make_report
from stackkit.extraction.dataset import open_dataset
from stackkit.extraction.estimate import Estimate
from stackkit.extraction.weights import require_weights
from stackkit.host.figures import FigureWatch
from stackkit.host.registry import Registry
from stackkit.model.fitting import StackFitting
from stackkit.preview import Preview, make_preview
from stackkit.recipe import Recipe, ResolvedRecipe, resolve
from stackkit.report.report import Report
from stackkit.store import FeatureStore

Choose: TypeAlias = Callable[[ResolvedRecipe, CheckedClassifiers], CheckedAggregator]
"""Returns the aggregator of a model, or raises UsageError if no model can be made of the components."""


def run(
    recipe: Recipe,
    registry: Registry,
    store: FeatureStore,
    reporter: Reporter,
    *,
    begin: Callable[[Preview], None] = lambda preview: None,
    expect: Callable[[Estimate], None] = lambda estimate: None,
    may_extract: bool = True,
    outputs: Outputs | None = None,
) -> Report:
    """Extract the features that are not in the store yet, then evaluate all classifiers.

    Whatever goes wrong raises a StackkitError of the class that tells what it was.

    Parameters
    ----------
    recipe, registry, store, reporter
        What to run, where components are found, where features are kept, and what shows progress.
    begin : callable
        Called with the preview before anything is downloaded or computed.
    expect : callable
        Called with the estimate of the extraction before any features are stored.
    may_extract : bool
        False to evaluate stored features only; missing ones raise EvaluationError or StoreError.
    outputs : Outputs or None
        Where fits, probabilities and predictions go; None keeps none.

    """
    steps = Steps(begin=begin, expect=expect, may_extract=may_extract, outputs=outputs or Outputs())
    return carry_out(recipe, registry, store, reporter, steps).report


@dataclass(frozen=True, kw_only=True)
class Steps:
    """What happens at the steps of a run, see the parameters of `run`.

    Attributes
    ----------
    begin, expect, may_extract, outputs
        As for `run`.
    choose : callable or None
        Returns the aggregator of the stack to fit besides, before anything is computed; None fits none.

    """

    begin: Callable[[Preview], None] = lambda preview: None
    expect: Callable[[Estimate], None] = lambda estimate: None
    may_extract: bool = True
    outputs: Outputs = field(default_factory=Outputs)
    choose: Choose | None = None


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A run that is finished: its report, and what it was made from."""

    report: Report
    preview: Preview
    evaluation: Evaluation
    chosen: CheckedAggregator | None
    dataset: Dataset


def carry_out(
    recipe: Recipe, registry: Registry, store: FeatureStore, reporter: Reporter, steps: Steps
) -> Finished:
    """Extract features and evaluate classifiers, and fit a stack if `steps` say so."""
    timings, outputs = dict[str, float](), steps.outputs
    with _timed(timings, "total_s"):
        components = resolve(recipe, registry)
        effects = FigureWatch(registry.host, components.all)
        dataset = open_dataset(components.dataset)
        classifiers = check_evaluable(recipe, components, dataset)
        chosen = steps.choose(components, classifiers) if steps.choose else None
        preview = make_preview(recipe, components, dataset, store)
        steps.begin(preview)  # only now: what was checked above needs no download
        require_weights(components.backbones, preview.backbones, registry)
        with _timed(timings, "extraction_s"):
            found = (recipe, preview, dataset, store, reporter)
            rows, summary = (
                computed_features(*found, steps.expect) if steps.may_extract else stored_features(*found)
            )
        with _timed(timings, "evaluation_s"), failed_images_mentioned(summary.failed):
            usable = usable_features(dataset, rows, preview.backbones, store)
            if effects.during_run():
                outputs = replace(outputs, fits=None)  # other runs must not reuse such fits
            fitting = StackFitting(chosen=chosen, official=recipe.official) if chosen else None
            evaluation = evaluate(recipe, classifiers, dataset, usable, reporter, outputs, fitting)
            costs = costs_of(evaluation, preview.backbones, rows, summary, store)
    report = make_report(recipe, preview, dataset, summary, evaluation, costs, timings, effects)
    return Finished(
        report=report, preview=preview, evaluation=evaluation, chosen=chosen, dataset=dataset
    )


@contextmanager
def _timed(timings: dict[str, float], name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    timings[name] = time.perf_counter() - start
