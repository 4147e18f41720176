"""Train: carry out an experiment, and make a model that says how far to trust it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit.api.errors import UsageError
from stackkit.api.pixels import PixelOptions
from stackkit.api.reporter import Reporter
from stackkit.bundle import AccuracyRecord, ProvenanceRecord
from stackkit.evaluation.classifiers import CheckedAggregator, CheckedClassifiers
from stackkit.evaluation.features import Features
from stackkit.experiment.run import Choose, Finished, Steps, carry_out
from stackkit.host.registry import Registry
from stackkit.model.examples import Examples, make_examples
from stackkit.model.fitting import chosen_aggregator
from stackkit.model.model import Model
from stackkit.model.networks import require_weights_files
from stackkit.model.training_images import TrainingImages
from stackkit.model.trusting import Trust, trust_in
from stackkit.model.updating import is_updatable
from stackkit.recipe import Recipe, ResolvedRecipe, changes
from stackkit.report.report import Report
from stackkit.store import FeatureStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A trained model, and the evaluation that says how good it is."""

    model: Model
    found: Finished

    @property
    def report(self) -> Report:
        """The report of the evaluation."""
        return self.found.report


def train(
    recipe: Recipe,
    registry: Registry,
    store: FeatureStore,
    reporter: Reporter,
    steps: Steps | None = None,
    *,
    aggregator: str = "",
    ask: bool = True,
    with_weights: bool = False,
    with_examples: bool = False,
    licence: str = "",
) -> Trained:
    """Evaluate a recipe, and fit a stack on all images, or on the official training part.

    Parameters
    ----------
    recipe, registry, store, reporter, steps
        As for `run`; `steps.choose` is replaced.
    aggregator, ask, with_weights
        As for `chooser`.
    with_examples, licence : bool, str
        Whether to keep thumbnails and features of training images; what weights and images allow.

    Returns
    -------
    Trained
        Features are in the store, and fits in the cache, so that an interrupted training is resumed.

    Raises
    ------
    UsageError
        If no model can be made with the recipe, before anything is computed.
    StackkitError
        As for `run`.

    """
    choose = chooser(recipe, aggregator, ask=ask, with_weights=with_weights)
    found = carry_out(recipe, registry, store, reporter, replace(steps or Steps(), choose=choose))
    usable, final = found.evaluation.usable, found.evaluation.final
    assert final is not None
    known = final.out_of_fold.rows  # training rows only
    features = [replace(each, used_rows=each.used_rows[known]) for each in usable.features]
    trust = trust_in(final.out_of_fold, features)
    report = replace(found.report, model=trust.figures())
    model = _model(found, trust, report, licence)
    model = _with_images(model, [usable.fingerprints[int(row)] for row in known])
    if with_examples:
        model = replace(model, examples=_examples(found, known, features, reporter))
    return Trained(model=model, found=replace(found, report=report))


def _with_images(model: Model, fingerprints: Sequence[str]) -> Model:
    """Return the model, which remembers its images if it can be updated."""
    if not is_updatable(model.stack, [each.shape[1] for each in model.novelty.means]):
        return model
    images = TrainingImages.of(fingerprints)
    facts = {**model.facts, "updatable": {"images": len(images) if images else 0}}
    return replace(model, images=images, facts=facts)


def _examples(
    found: Finished, known: NDArray[np.int64], features: Sequence[Features], reporter: Reporter
) -> Examples:
    dataset, rows = found.dataset, found.evaluation.usable.rows[known]
    samples = [dataset.samples[int(row)] for row in rows]
    return make_examples(
        features,
        np.array([each.label for each in samples]),
        [each.id for each in samples],
        lambda number: dataset.image(int(rows[number])),
        reporter=reporter,
    )


def chooser(recipe: Recipe, name: str, *, ask: bool, with_weights: bool) -> Choose:
    """Return a function for `Steps.choose`, which chooses the aggregator of the model.

    Parameters
    ----------
    recipe : Recipe
        The recipe that is carried out.
    name : str
        Name of the model's aggregator, one of the recipe's; "" for the recipe's first.
    ask : bool
        Whether to refuse several aggregators that replace those of the recipe's file, rather than to
        take the first.
    with_weights : bool
        Whether to refuse networks whose weights cannot go into a bundle.

    """

    def choose(components: ResolvedRecipe, classifiers: CheckedClassifiers) -> CheckedAggregator:
        if with_weights:
            require_weights_files(components.backbones)
        offered = {each.text: each.label for each in components.aggregators}
        names = ", ".join(offered.values())
        if not offered:
            raise UsageError("a model needs an aggregator; choose one with --aggregator")
        if not name:
            if ask and len(offered) > 1 and "aggregators" in changes(recipe):
                raise UsageError(
                    f"a model has one aggregator, and there are {names}; choose one of them"
                )
            return chosen_aggregator(classifiers, next(iter(offered)))
        matching = [
            each.text
            for each in components.aggregators
            if name in (each.text, each.label, each.name, each.component.qualified_name)
        ]
        if len(matching) != 1:
            raise UsageError(
                f"the model's aggregator must be one of {names}, got {name!r}; give it with options"
            )
        return chosen_aggregator(classifiers, matching[0])

    return choose


def _model(found: Finished, trust: Trust, report: Report, licence: str) -> Model:
    final, preview = found.evaluation.final, found.preview
    assert final is not None
    revisions = []
    for checked, component in zip(preview.backbones, preview.components.backbones, strict=True):
        with component.blamed():
            revisions.append(checked.declared_key.revision)
    return Model(
        classes=report.classes,
        backbones=preview.components.backbones,
        revisions=tuple(revisions),
        stack=final.stack,
        calibration=trust.calibration,
        reliability=trust.reliability,
        novelty=trust.novelty,
        facts={**_facts(found, report), "licence": licence},
    )


def _facts(found: Finished, report: Report) -> Mapping[str, Any]:
    final = found.evaluation.final
    assert final is not None
    provenance = ProvenanceRecord(
        stackkit=report.stackkit,
        created=report.created,
        dataset=report.dataset,
        images=len(final.out_of_fold.rows),
        recipe=asdict(report.recipe) if report.recipe else {},
        versions=report.versions,
    )
    return {
        "accuracy": asdict(_expected(found, report)),
        "provenance": asdict(provenance),
        "pixels": _pixels(found),
        "cropped": found.preview.components.dataset.options.get("crop") is True,
        "untrained": not all(each.backbone.trained for each in found.preview.backbones),
        **(report.model or {}),
    }


def _expected(found: Finished, report: Report) -> AccuracyRecord:
    """Return the accuracy of the row of the table that the model is."""
    assert found.chosen is not None
    rows = found.evaluation.comparison.fit_plan.rows
    (number,) = (
        number
        for number, row in enumerate(rows)
        if row.kind == "aggregator" and row.classifier.text == found.chosen.component.text
    )
    result = report.results[number]
    return AccuracyRecord(
        accuracy=result.accuracy,
        interval=result.interval_95,
        images=int(np.sum(report.class_sizes)),
        protocol=report.protocol.title,
    )


def _pixels(found: Finished) -> dict[str, Any]:
    """Return how the dataset reads image files, as far as its options say it."""
    options = found.preview.components.dataset.options
    return {each.name: options[each.name] for each in fields(PixelOptions) if each.name in options}
