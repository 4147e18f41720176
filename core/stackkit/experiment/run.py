"""Run whole experiments: from a recipe through components and features to a report."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from stackkit.api.dataset import Dataset
from stackkit.api.executor import Executor
from stackkit.api.reporter import Reporter
from stackkit.evaluation.classifiers import CheckedAggregator, CheckedClassifiers
from stackkit.evaluation.evaluability import check_evaluable
from stackkit.evaluation.inputs import UsableFeatures, usable_features
from stackkit.evaluation.protocol import protocol_of
from stackkit.execution.opening import opened
from stackkit.experiment.costs import costs_of
from stackkit.experiment.evaluation import Evaluation, Outputs, evaluate, failed_images_mentioned
from stackkit.experiment.features import computed_features, stored_features
from stackkit.experiment.report import executor_used, make_report
from stackkit.extraction.dataset import open_dataset
from stackkit.extraction.estimate import Estimate
from stackkit.extraction.summary import ExtractionSummary
from stackkit.extraction.weights import require_weights
from stackkit.host.figures import FigureWatch
from stackkit.host.registry import Registry
from stackkit.model.fitting import StackFitting
from stackkit.preview import Preview, make_preview
from stackkit.recipe import Recipe, ResolvedRecipe, resolve
from stackkit.report.report import Cost, ExecutorUsed, RecipeUsed, Report
from stackkit.store import DatasetRows, FeatureStore

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
    """A run that is finished: its report, and what it was made from.

    With two protocols it is that of cross-validation, and `official` that of the official split, for
    which no stack is fitted.
    """

    report: Report
    preview: Preview
    evaluation: Evaluation
    chosen: CheckedAggregator | None
    dataset: Dataset
    store: FeatureStore
    official: Finished | None = None

    @property
    def reports(self) -> tuple[Report, ...]:
        """The reports of all protocols."""
        return (self.report, self.official.report) if self.official else (self.report,)

    def document(self) -> dict[str, Any]:
        """Return the report as plain JSON types, with that of the official split in it."""
        second = {"official_split": self.official.report.document()} if self.official else {}
        return self.report.document() | second


def carry_out(
    recipe: Recipe, registry: Registry, store: FeatureStore, reporter: Reporter, steps: Steps
) -> Finished:
    """Extract features and evaluate classifiers, and fit a stack if `steps` say so."""
    timings = dict[str, float]()
    with _timed(timings, "total_s"), ExitStack() as workers:
        components = resolve(recipe, registry)
        effects = FigureWatch(registry.host, components.all)
        dataset = open_dataset(components.dataset)
        classifiers = check_evaluable(recipe, components, dataset)
        chosen = steps.choose(components, classifiers) if steps.choose else None
        preview = make_preview(recipe, components, dataset, store)
        steps.begin(preview)  # only now: what was checked above needs no download
        require_weights(components.backbones, preview.backbones, registry)
        executor = workers.enter_context(opened(components.executor))
        with _timed(timings, "extraction_s"):
            found = (recipe, preview, dataset, store, reporter)
            rows, summary = (
                computed_features(*found, steps.expect, executor)
                if steps.may_extract
                else stored_features(*found, executor)
            )
        with failed_images_mentioned(summary.failed):
            extracted = _Extracted(
                preview=preview,
                dataset=dataset,
                classifiers=classifiers,
                rows=rows,
                summary=summary,
                usable=usable_features(dataset, rows, preview.backbones, store),
                store=store,
                effects=effects,
                executor=executor,
                used=executor_used(components.executor, executor),
            )
            first, *others = recipe.protocols
            evaluated = [extracted.evaluated(first, reporter, steps.outputs, chosen)]
            beside = Outputs(fits=steps.outputs.fits)
            evaluated += [extracted.evaluated(other, reporter, beside) for other in others]
    finished, *official = [extracted.finished(recipe, each, timings) for each in evaluated]
    return replace(finished, chosen=chosen, official=official[0] if official else None)


@dataclass(frozen=True, kw_only=True)
class _Evaluated:
    """An evaluation under one protocol, which `recipe` asks for."""

    recipe: Recipe
    evaluation: Evaluation
    costs: Sequence[Cost]
    seconds: float


@dataclass(frozen=True, kw_only=True)
class _Extracted:
    """What all protocols of a run share: its components, and the features of its images."""

    preview: Preview
    dataset: Dataset
    classifiers: CheckedClassifiers
    rows: DatasetRows
    summary: ExtractionSummary
    usable: UsableFeatures
    store: FeatureStore
    effects: FigureWatch
    executor: Executor | None
    used: ExecutorUsed

    def evaluated(
        self,
        recipe: Recipe,
        reporter: Reporter,
        outputs: Outputs,
        chosen: CheckedAggregator | None = None,
    ) -> _Evaluated:
        """Evaluate a recipe of one protocol; with `chosen`, a stack is fitted besides."""
        timings = dict[str, float]()
        with _timed(timings, "evaluation_s"):
            if self.effects.during_run():
                outputs = replace(outputs, fits=None)  # other runs must not reuse such fits
            fitting = StackFitting(chosen=chosen, official=recipe.official) if chosen else None
            task = (recipe, self.classifiers, self.dataset, self.usable, reporter, outputs)
            evaluation = evaluate(*task, fitting, self.executor)
            costs = costs_of(evaluation, self.preview.backbones, self.rows, self.summary, self.store)
        return _Evaluated(
            recipe=recipe, evaluation=evaluation, costs=costs, seconds=timings["evaluation_s"]
        )

    def finished(self, asked: Recipe, found: _Evaluated, timings: Mapping[str, float]) -> Finished:
        """Put the report together; `asked` is the recipe of the whole run."""
        preview = replace(self.preview, protocols=(protocol_of(found.recipe, self.dataset),))
        total = {"evaluation_s": found.seconds, "total_s": timings["total_s"]}
        report = make_report(
            found.recipe,
            preview,
            self.dataset,
            self.summary,
            found.evaluation,
            found.costs,
            {"extraction_s": timings["extraction_s"], **total},
            self.effects,
            self.used,
        )
        return Finished(
            report=replace(report, recipe=RecipeUsed.of(asked)),
            preview=preview,
            evaluation=found.evaluation,
            chosen=None,
            dataset=self.dataset,
            store=self.store,
        )


@contextmanager
def _timed(timings: dict[str, float], name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    timings[name] = time.perf_counter() - start
