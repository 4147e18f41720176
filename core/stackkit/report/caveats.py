"""Explain what a reader must know to interpret the accuracies of a report."""

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
    missing: Mapping[str, int],
) -> Iterator[str]:
    """Yield the notes of a report, a sentence or two each.

    Parameters
    ----------
    protocol : Protocol
        How the images were divided.
    comparison : Comparison
        What was fitted.
    results : sequence of Result
        The rows of the table.
    failed : sequence of FailedImage
        Images that could not be read.
    missing : mapping of str to int
        Number of images without features per backbone label; empty if it is the same images for all.

    """
    features = comparison.fit_plan.features
    untrained = [one.label for one in features if not one.trained]
    if untrained:
        yield f"Untrained (random weights), so accuracies mean nothing: {', '.join(untrained)}."
    yield protocol.meaning
    if failed:
        yield f"{len(failed)} image(s) could not be read and are not used (see failed_images)."
    if missing:
        counts = ", ".join(f"{count} for {label}" for label, count in missing.items())
        yield f"Only images with features from every backbone are used (missing: {counts})."
    if unused := len(comparison.fit_plan.labels) - comparison.n_images:
        yield (
            f"{unused} image(s) are neither in the official training part nor in the test part and are "
            "not used."
        )
    if unknown := len(_never_trained(comparison)):
        yield (
            f"{unknown} class(es) have test images but no training images, so their test images always "
            "count as errors."
        )
    constant = [one.label for one in features if one.is_constant()]
    if constant:
        yield f"All images have the same features, so nothing can be learned: {', '.join(constant)}."
    yield from _on_fits(comparison, results)


def _never_trained(comparison: Comparison) -> set[int]:
    """Return labels with test rows but no training rows in some fold."""
    labels = comparison.fit_plan.labels
    return {
        int(label)
        for fold in comparison.folds
        for label in np.setdiff1d(labels[fold.test], labels[fold.train])
    }


def _on_fits(comparison: Comparison, results: Sequence[Result]) -> Iterator[str]:
    stopped = [f"{r.name} on {', '.join(r.backbones)}" for r in results if not r.converged]
    if stopped:
        yield f"Stopped before convergence (raise max_iter or tol): {'; '.join(stopped)}."
    if in_sample := [r.name for r in results if r.fit_on == "in-sample"]:
        yield (
            f"Fitted on in-sample probabilities, as in the published recipe: {', '.join(in_sample)}. "
            "The base learners were trained on the same images and are too confident about them, which "
            "can mislead an aggregator that learns from their probabilities. In each fold, test images "
            "were not used to train any classifier."
        )
    plan = comparison.fit_plan
    if any(r.fit_on == "out-of-fold" for r in results):
        together = "" if plan.groups is None else ", which keep groups together"
        predictor = (
            "the learner fitted on the whole training fold"
            if plan.refit
            else "the mean of the inner folds' learners"
        )
        yield (
            f"Out-of-fold probabilities come from {plan.inner_cv} shuffled stratified folds inside each "
            f"training fold{together}; test images are predicted by {predictor}."
        )
    if len(plan.features) > 1:
        yield (
            "The gain is measured against the best single backbone of this table, chosen on the same "
            "test images, which favours the single backbone."
        )
