"""The whole story: a recipe's names become components, images become features, features a report."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from stackkit import __version__
from stackkit.errors import (
    DatasetError,
    EvaluationError,
    ImageError,
    PluginError,
    StackkitError,
    UsageError,
    WeightsError,
)
from stackkit.evaluate import Result, score
from stackkit.extract import ExtractionSummary, NamedBackbone, extract, fingerprints, unreadable
from stackkit.folds import Fold, official_fold, stratified_folds
from stackkit.registry import Choice, Registry, describe, with_seed
from stackkit.report.document import Protocol, Report
from stackkit.specs import LearnerSpec
from stackkit.stacking import LearnerFit, fit_aggregator, fit_baseline, fit_learner, stack
from stackkit.store import DatasetRows, FeatureStore
from stackkit.types import Dataset, FailedImage, Reporter

RECIPE_BACKBONES = ("vgg19", "resnet50", "inception-v3", "xception")
PACKAGES = ("h5py", "keras", "mlxtend", "numpy", "pillow", "scikit-learn", "tensorflow")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """An experiment in words; the defaults are the published recipe (plus soft-vote beside it).

    `cv` is the number of stratified folds; `official` asks for the dataset's own split instead.
    `baseline` is a learner shown per backbone and not stacked, None for none. `inner_cv` folds
    make out-of-fold probabilities for the aggregators that want them.
    """

    dataset: str
    backbones: tuple[str, ...] = RECIPE_BACKBONES
    learner: str = "logistic"
    aggregators: tuple[str, ...] = ("average-svm", "soft-vote")
    baseline: str | None = "linear-svm"
    cv: int = 3
    official: bool = False
    shuffle: bool = False
    seed: int = 0
    inner_cv: int = 3
    strict: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingredients:
    """A recipe's components: every name resolved, nothing imported yet."""

    dataset: Choice
    backbones: tuple[Choice, ...]
    learner: Choice
    aggregators: tuple[Choice, ...]
    baseline: Choice | None

    @property
    def all(self) -> list[Choice]:
        """Every component once."""
        baseline = [self.baseline] if self.baseline else []
        return [self.dataset, *self.backbones, *baseline, self.learner, *self.aggregators]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is about to happen, known before the first image goes through a network."""

    ingredients: Ingredients
    protocol: Protocol
    n_images: int
    n_classes: int
    backbones: tuple[NamedBackbone, ...]

    @property
    def feature_bytes(self) -> int:
        """Room that the features of all backbones take on disk."""
        return sum(4 * b.backbone.feature_dim for b in self.backbones) * self.n_images


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """The rows that every backbone has: features[b] is (n, d_b), labels (n,)."""

    features: tuple[NDArray[np.float32], ...]
    labels: NDArray[np.int64]
    rows: tuple[int, ...]


def resolve(recipe: Recipe, registry: Registry) -> Ingredients:
    """Look every name of a recipe up; raises UsageError before any work is done."""
    registry = with_seed(registry, recipe.seed)
    learner = registry.one("learner", recipe.learner)
    aggregators = registry.several("aggregator", recipe.aggregators)
    if aggregators and not cast(LearnerSpec, learner.component.spec).probabilities:
        raise UsageError(
            f"learner {learner.name} gives no probabilities, which aggregators need; use logistic, or "
            f"--baseline {learner.name} to see it per backbone"
        )
    backbones = registry.several("backbone", recipe.backbones)
    if not backbones:
        raise UsageError("at least one backbone is wanted")
    return Ingredients(
        dataset=registry.one("dataset", recipe.dataset),
        backbones=tuple(backbones),
        learner=learner,
        aggregators=tuple(aggregators),
        baseline=registry.one("learner", recipe.baseline) if recipe.baseline else None,
    )


def extract_features(
    recipe: Recipe, registry: Registry, store: FeatureStore, reporter: Reporter
) -> ExtractionSummary:
    """Compute the features that the store lacks for a recipe's dataset and backbones."""
    ingredients = resolve(recipe, registry)
    dataset = _open_dataset(ingredients.dataset)
    named = tuple(_open_backbone(choice, registry) for choice in ingredients.backbones)
    return _obtain(recipe, ingredients, dataset, named, store, reporter)[1]


def run(
    recipe: Recipe,
    registry: Registry,
    store: FeatureStore,
    reporter: Reporter,
    *,
    show_plan: Callable[[Plan], None] = lambda plan: None,
    may_extract: bool = True,
) -> Report:
    """Carry a recipe out: extract what the store lacks, then evaluate.

    `may_extract=False` evaluates stored features only, and raises EvaluationError or StoreError
    if some are missing.
    """
    started, timings = time.perf_counter(), dict[str, float]()
    ingredients = resolve(recipe, registry)
    dataset = _open_dataset(ingredients.dataset)
    # What cannot be evaluated is refused here, before hours of extraction.
    _folds(recipe, dataset, range(len(dataset.samples)))
    named = tuple(_open_backbone(choice, registry) for choice in ingredients.backbones)
    show_plan(_plan(recipe, ingredients, dataset, named))
    with _timed(timings, "extraction_s"):
        rows, summary = _obtain(
            recipe, ingredients, dataset, named, store, reporter, may_extract=may_extract
        )
    features = _read(rows, named, store)
    with _timed(timings, "evaluation_s"):
        results = _evaluate(recipe, ingredients, dataset, named, features, reporter)
    timings["total_s"] = time.perf_counter() - started
    return Report(
        stackkit=__version__,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        dataset=ingredients.dataset.text,
        protocol=_protocol(recipe),
        classes=tuple(dataset.classes),
        n_images=len(features.rows),
        failed_images=summary.failed,
        results=tuple(results),
        components=tuple(describe(ingredients.all)),
        extraction={
            label: {"computed": computed, "reused": summary.reused[label]}
            for label, computed in summary.computed.items()
        },
        versions=_versions(),
        timings={name: round(seconds, 3) for name, seconds in timings.items()},
        notes=tuple(_notes(recipe, dataset, named, summary.failed, results, ingredients)),
    )


def _obtain(
    recipe: Recipe,
    ingredients: Ingredients,
    dataset: Dataset,
    named: Sequence[NamedBackbone],
    store: FeatureStore,
    reporter: Reporter,
    *,
    may_extract: bool = True,
) -> tuple[DatasetRows, ExtractionSummary]:
    """Have the features of every readable image in the store; all failures in one summary."""
    rows, failed = fingerprints(ingredients.dataset.text, dataset, reporter)
    if failed and recipe.strict:
        raise ImageError(f"{failed[0].id}: {failed[0].reason} (--strict stops here)")
    if may_extract:
        summary = extract(dataset, rows, named, store, reporter, strict=recipe.strict)
    else:
        summary = _stored(dataset, rows, named, store)
    return rows, replace(summary, failed=(*failed, *summary.failed))


@contextmanager
def _timed(timings: dict[str, float], name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    timings[name] = time.perf_counter() - start


def _made(choice: Choice) -> Any:
    """The object of a choice; whatever a stranger's factory raises becomes a PluginError."""
    try:
        return choice.create()
    except (StackkitError, KeyboardInterrupt):
        raise
    except Exception as error:
        origin = f"{choice.component.distribution} {choice.component.version}"
        raise PluginError(
            f"{choice.text} ({origin}) cannot be made: {type(error).__name__}: {error}"
        ) from error


def _open_dataset(choice: Choice) -> Dataset:
    dataset = cast(Dataset, _made(choice))
    present = {sample.label for sample in dataset.samples}
    if len(present) < 2:
        raise DatasetError(
            f"{choice.text} has {len(present)} class with images; at least two are wanted"
        )
    return dataset


def _open_backbone(choice: Choice, registry: Registry) -> NamedBackbone:
    """A backbone whose weights are at hand; otherwise the error says which backbones can run."""
    backbone = _made(choice)
    label = choice.text if backbone.trained else f"{choice.text} (untrained)"
    try:
        revision = backbone.revision
    except WeightsError as error:
        ready = [registry.short_name(c) for c in registry.of_kind("backbone") if _is_ready(registry, c)]
        raise WeightsError(
            f"{error}. Backbones that can run now: {', '.join(ready) or 'none'}"
        ) from error
    provenance = {
        "component": describe([choice])[0],
        "revision": revision,
        "stackkit": __version__,
        "versions": _versions(),
        "untrained": not backbone.trained,
    }
    return NamedBackbone(
        label=label,
        qualified_name=choice.component.qualified_name,
        backbone=backbone,
        provenance=provenance,
    )


def _is_ready(registry: Registry, component: Any) -> bool:
    try:
        return registry.default(component).lacking() is None
    except StackkitError:
        return False


def _versions() -> dict[str, str]:
    """Versions of Python and of the packages that figures depend on."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _protocol(recipe: Recipe) -> Protocol:
    if recipe.official:
        return Protocol(kind="official-split", folds=1, shuffle=False, seed=recipe.seed)
    return Protocol(kind="cross-validation", folds=recipe.cv, shuffle=recipe.shuffle, seed=recipe.seed)


def _plan(
    recipe: Recipe, ingredients: Ingredients, dataset: Dataset, named: tuple[NamedBackbone, ...]
) -> Plan:
    return Plan(
        ingredients=ingredients,
        protocol=_protocol(recipe),
        n_images=len(dataset.samples),
        n_classes=len(dataset.classes),
        backbones=named,
    )


def _folds(recipe: Recipe, dataset: Dataset, rows: Sequence[int]) -> list[Fold]:
    samples = [dataset.samples[row] for row in rows]
    if recipe.official:
        return official_fold(samples)
    labels = np.array([sample.label for sample in samples], dtype=np.int64)
    return stratified_folds(labels, dataset.classes, recipe.cv, shuffle=recipe.shuffle, seed=recipe.seed)


def _stored(
    dataset: Dataset, rows: DatasetRows, named: Sequence[NamedBackbone], store: FeatureStore
) -> ExtractionSummary:
    """What the store holds; raises StoreError-like EvaluationError if a readable image has no row."""
    failed: dict[str, FailedImage] = {}
    reused: dict[str, int] = {}
    for backbone in named:
        with store.open(backbone.key, rows, {}, create=False) as file:
            pending = file.pending()
        broken = unreadable(dataset, pending)
        if len(broken) < len(pending):
            raise EvaluationError(
                f"{len(pending) - len(broken)} images have no features of {backbone.label}; "
                "run `stackkit extract` with the same --dataset and --backbones first"
            )
        failed.update({failure.id: failure for failure in broken})
        reused[backbone.label] = sum(map(bool, rows.fingerprints)) - len(pending)
    return ExtractionSummary(
        computed=dict.fromkeys(reused, 0), reused=reused, failed=tuple(failed.values())
    )


def _read(rows: DatasetRows, named: Sequence[NamedBackbone], store: FeatureStore) -> Features:
    """Features of the images that every backbone has."""
    matrices, intact = [], np.ones(len(rows.samples), dtype=bool)
    for backbone in named:
        with store.open(backbone.key, rows, {}, create=False) as file:
            intact &= file.intact()
            matrices.append(file.read())
    kept = np.flatnonzero(intact)
    labels = np.array([rows.samples[row].label for row in kept], dtype=np.int64)
    return Features(features=tuple(m[kept] for m in matrices), labels=labels, rows=tuple(kept.tolist()))


def _evaluate(
    recipe: Recipe,
    ingredients: Ingredients,
    dataset: Dataset,
    named: Sequence[NamedBackbone],
    data: Features,
    reporter: Reporter,
) -> list[Result]:
    """Baselines, learners, aggregators; each learner is fitted once per fold and backbone."""
    folds = _folds(recipe, dataset, data.rows)
    fits_per_backbone = 2 if ingredients.baseline else 1
    reporter.start(
        "fitting", len(folds) * (len(named) * fits_per_backbone + len(ingredients.aggregators))
    )
    results = []
    if ingredients.baseline:
        results += _baselines(ingredients.baseline, named, data, folds, reporter)
    out_of_fold = [c for c in ingredients.aggregators if _made(c).fit_on == "out-of-fold"]
    fits = [
        [
            _fit(
                ingredients.learner,
                X,
                data.labels,
                len(dataset.classes),
                fold,
                recipe,
                bool(out_of_fold),
            )
            for fold in _counted(folds, reporter)
        ]
        for X in data.features
    ]
    truths = [data.labels[fold.test] for fold in folds]
    results += [
        score(
            ingredients.learner.text,
            "learner",
            [b.label],
            [(fit.test_labels, truth) for fit, truth in zip(per_fold, truths, strict=True)],
            untrained=not b.backbone.trained,
            converged=all(fit.converged for fit in per_fold),
        )
        for b, per_fold in zip(named, fits, strict=True)
    ]
    return results + _aggregated(ingredients.aggregators, named, data, folds, fits, reporter)


def _counted(folds: Sequence[Fold], reporter: Reporter) -> Iterator[Fold]:
    for fold in folds:
        yield fold
        reporter.advance("fitting", 1)


def _fit(
    learner: Choice,
    X: NDArray[np.float32],
    labels: NDArray[np.int64],
    n_classes: int,
    fold: Fold,
    recipe: Recipe,
    out_of_fold: bool,
) -> LearnerFit:
    return fit_learner(
        lambda: _made(learner),
        X,
        labels,
        n_classes,
        fold,
        out_of_fold=recipe.inner_cv if out_of_fold else None,
        seed=recipe.seed,
    )


def _baselines(
    baseline: Choice,
    named: Sequence[NamedBackbone],
    data: Features,
    folds: Sequence[Fold],
    reporter: Reporter,
) -> list[Result]:
    results = []
    for b, X in zip(named, data.features, strict=True):
        fits = [
            fit_baseline(_made(baseline), X, data.labels, fold) for fold in _counted(folds, reporter)
        ]
        pairs = [(predicted, data.labels[f.test]) for (predicted, _), f in zip(fits, folds, strict=True)]
        results.append(
            score(
                baseline.text,
                "baseline",
                [b.label],
                pairs,
                untrained=not b.backbone.trained,
                converged=all(converged for _, converged in fits),
            )
        )
    return results


def _aggregated(
    aggregators: Sequence[Choice],
    named: Sequence[NamedBackbone],
    data: Features,
    folds: Sequence[Fold],
    fits: Sequence[Sequence[LearnerFit]],
    reporter: Reporter,
) -> list[Result]:
    stacks = [stack([per_fold[k] for per_fold in fits]) for k in range(len(folds))]
    results = []
    for choice in aggregators:
        outcomes = [
            fit_aggregator(_made(choice), probabilities, data.labels[fold.train])
            for fold, probabilities in zip(_counted(folds, reporter), stacks, strict=True)
        ]
        pairs = [
            (predicted, data.labels[f.test]) for (predicted, _), f in zip(outcomes, folds, strict=True)
        ]
        results.append(
            score(
                choice.text,
                "aggregator",
                [b.label for b in named],
                pairs,
                untrained=not all(b.backbone.trained for b in named),
                converged=all(converged for _, converged in outcomes),
            )
        )
    return results


def _notes(
    recipe: Recipe,
    dataset: Dataset,
    named: Sequence[NamedBackbone],
    failed: Sequence[FailedImage],
    results: Sequence[Result],
    ingredients: Ingredients,
) -> Iterator[str]:
    """What a reader has to know to take the figures for what they are."""
    untrained = [b.label for b in named if not b.backbone.trained]
    if untrained:
        yield f"Untrained: random weights in {', '.join(untrained)}; these figures test plumbing and mean nothing."
    yield _protocol(recipe).meaning
    if failed:
        yield f"{len(failed)} image(s) could not be read and count in no figure; failed_images lists them."
    early = [f"{r.name} on {', '.join(r.backbones)}" for r in results if not r.converged]
    if early:
        yield f"Stopped before they converged (max_iter or tol would change that): {'; '.join(early)}."
    in_sample = [c.text for c in ingredients.aggregators if c.options.get("fit_on") == "in-sample"]
    if in_sample:
        yield (
            f"{', '.join(in_sample)} learned from probabilities of the very rows the base learners were fitted "
            "on, as published; the accuracy stays honest, the meta-classifier is not at its best."
        )
    if len(named) > 1:
        yield (
            "The gain is over the best single backbone of this table, chosen on the same test images: "
            "it favours the single backbone."
        )
    yield from dataset.notes
