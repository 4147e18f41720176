"""Find out what a run would do and take."""

from __future__ import annotations

from itertools import compress

from stackkit.api.reporter import Reporter
from stackkit.evaluation.classifiers import CheckedClassifiers, check_classifiers
from stackkit.evaluation.evaluability import check_evaluable, check_folds
from stackkit.experiment.features import refuse_if_strict
from stackkit.experiment.run import Choose
from stackkit.extraction.dataset import open_dataset, part_of
from stackkit.extraction.extract import estimate_extraction, fingerprints
from stackkit.extraction.weights import require_weights
from stackkit.host.registry import Registry
from stackkit.preview import DryRun, make_preview
from stackkit.recipe import Recipe, ResolvedRecipe, resolve
from stackkit.store import FeatureStore


def dry_run(
    recipe: Recipe,
    registry: Registry,
    store: FeatureStore,
    reporter: Reporter,
    *,
    evaluable: bool,
    choose: Choose | None = None,
    shard: tuple[int, int] | None = None,
) -> DryRun:
    """Find out what a run would do and take; downloads nothing and stores nothing.

    Parameters
    ----------
    recipe, registry, store, reporter
        As for `run`.
    evaluable : bool
        Whether to check, as `run` does, that the recipe can be evaluated. False for `extract_features`.

    choose : callable or None
        As in `Steps`, if a model is to be made: refuses what cannot be saved.
    shard : (int, int) or None
        As for `extract_features`.

    Returns
    -------
    DryRun
        Backbones with weights on this machine are run on a few images to measure their speed. The time
        of the others is unknown, and so is everything about images while the dataset is not fetched.

    """
    components = resolve(recipe, registry)
    if components.dataset.unavailable_reason():
        if evaluable:
            _choose(choose, components, check_classifiers(components))
        return DryRun(preview=make_preview(recipe, components, None, store), estimate=None)
    dataset = open_dataset(components.dataset)
    dataset = part_of(dataset, *shard) if shard else dataset
    if evaluable:
        _choose(choose, components, check_evaluable(recipe, components, dataset))
    preview = make_preview(recipe, components, dataset, store)
    rows, failed = fingerprints(components.dataset.text, dataset, reporter)
    refuse_if_strict(recipe, failed)
    if evaluable and recipe.group_duplicates:
        check_folds(recipe, dataset, rows.fingerprints)
    available = [reason is None for reason in preview.unavailable_reasons]
    backbones = list(compress(preview.backbones, available))
    require_weights(list(compress(components.backbones, available)), backbones, registry)
    estimate = estimate_extraction(dataset, rows, backbones, store, reporter, strict=recipe.strict)
    return DryRun(preview=preview, estimate=preview.complete(estimate))


def _choose(choose: Choose | None, components: ResolvedRecipe, classifiers: CheckedClassifiers) -> None:
    if choose:
        choose(components, classifiers)
