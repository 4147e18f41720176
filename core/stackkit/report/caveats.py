"""What a reader has to know to take a report's figures for what they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from stackkit.api.types import FailedImage
from stackkit.evaluation.comparison import Comparison
from stackkit.evaluation.metrics import Result
from stackkit.evaluation.protocol import Protocol


def notes(
    protocol: Protocol,
    comparison: Comparison,
    results: Sequence[Result],
    failed: Sequence[FailedImage],
    lost: Mapping[str, int],
) -> Iterator[str]:
    """Reservations in plain words.

    `lost` are the images that each backbone has no features of, empty if they are the same for all.
    """
    untrained = [features.label for features in comparison.features if not features.trained]
    if untrained:
        yield f"Untrained (random weights), so that figures mean nothing: {', '.join(untrained)}."
    yield protocol.meaning
    if failed:
        yield f"{len(failed)} image(s) could not be read and count in no figure (see failed_images)."
    if lost:
        counts = ", ".join(f"{label} lacks {count}" for label, count in lost.items())
        yield f"All classifiers use the images that every backbone has features of: {counts}."
    if unused := len(comparison.labels) - comparison.n_images:
        yield f"{unused} image(s) are in neither the official training nor test part and were not used."
    if unknown := len(_never_learned(comparison)):
        yield (
            f"{unknown} class(es) that are predicted have no image to learn from, so that none of their "
            "images can be right."
        )
    yield from _on_fits(comparison, results)


def _never_learned(comparison: Comparison) -> set[int]:
    """Labels that are asked for in a fold which does not show them."""
    labels = comparison.labels
    return {
        int(label)
        for fold in comparison.folds
        for label in np.setdiff1d(labels[fold.test], labels[fold.train])
    }


def _on_fits(comparison: Comparison, results: Sequence[Result]) -> Iterator[str]:
    constant = [features.label for features in comparison.features if features.is_constant()]
    if constant:
        yield f"The same features for every image, so that nothing is learned: {', '.join(constant)}."
    early = [f"{r.name} on {_on(r)}" for r in results if not r.converged]
    if early:
        yield f"Stopped before they converged (max_iter or tol would change that): {'; '.join(early)}."
    aggregators = comparison.components.aggregators  # one that is not asked learns nothing from them
    in_sample = [c.text for c in aggregators if c.options.get("fit_on") == "in-sample"]
    if in_sample:
        yield (
            f"{', '.join(in_sample)} learned from probabilities of the very rows that the base learners "
            "were fitted on, as in the published recipe; figures are honest, the training is not ideal."
        )
    if any(r.fit_on == "out-of-fold" for r in results):
        yield _inner(comparison)
    if len(comparison.features) > 1:
        yield (
            "The gain is over the best single backbone of this table, chosen on the same test images: "
            "it favours the single backbone."
        )


def _inner(comparison: Comparison) -> str:
    who = (
        "one that is fitted on the whole training fold"
        if comparison.refit
        else "the mean of those of the inner folds"
    )
    return (
        f"Out-of-fold probabilities: {comparison.inner_cv} shuffled stratified folds inside each "
        f"training fold; test images are predicted by {who}."
    )


def _on(result: Result) -> str:
    return ", ".join(result.backbones)
