"""Explain what a reader must know to interpret the accuracies of a report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from stackkit.api.dataset import FailedImage
from stackkit.evaluation.comparison import Comparison
from stackkit.evaluation.metrics import Result
from stackkit.evaluation.protocol import Protocol
from stackkit.evaluation.table_row import sources
from stackkit.report.view_notes import notes_on_views
from stackkit.statistics.intervals import Interval
from stackkit.utils.figures import ends, percent
from stackkit.verdicts.sentences import signed_points, titles
from stackkit.verdicts.verdict import Verdicts

MAX_ROWS = 3
"""Maximum number of rows of the table that a note names."""

ON_SELECTION = "The gain is measured against the best row on a single backbone"
"""How the note on choosing that row begins."""


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
    yield from _on_images(protocol, comparison, failed, missing)
    yield from _on_class_sizes(comparison, results)
    yield from _on_class_weights(comparison)
    yield from notes_on_views(comparison.fit_plan, results)
    yield from _on_fits(comparison, results)
    yield from _on_out_of_fold(comparison, results)


def notes_on_selection(verdicts: Verdicts, results: Sequence[Result]) -> Iterator[str]:
    """Say what the best single backbone, and the gain over it, owe to being chosen on these images."""
    single, gain = verdicts.best_single, verdicts.gain
    if len(single.among) == 1 or gain is None:
        return
    title = titles(results)[gain.first]
    measured, corrected = percent(single.accuracy), percent(single.corrected)
    instead = "as measured" if corrected == measured else f"instead of {measured}"
    yield (
        f"{ON_SELECTION}, chosen on the same test images, which favours that one and makes gains look "
        f"smaller. Corrected for this choice, it has {corrected} {instead}, and the gain of {title} is "
        f"{signed_points(gain.difference)}, 95 % interval {ends(gain.interval_95)}"
        f"{'' if gain.claimed else _why_unclaimed(gain.interval_95)}."
    )


def _why_unclaimed(corrected: Interval) -> str:
    because = "" if corrected[0] <= 0 <= corrected[1] else ", since the table shows none that is certain"
    return f": no gain can be claimed{because}"


def _on_images(
    protocol: Protocol,
    comparison: Comparison,
    failed: Sequence[FailedImage],
    missing: Mapping[str, int],
) -> Iterator[str]:
    """Say which images and features were used."""
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


def _on_class_sizes(comparison: Comparison, results: Sequence[Result]) -> Iterator[str]:
    """Say where the accuracy alone would mislead, since classes have different numbers of images."""
    sizes = comparison.class_sizes
    share = sizes.max() / sizes.sum()
    # The rule in both cases is the interval: differences within it may come from the choice of images.
    if useless := [r for r in results if r.interval_95[0] <= share]:
        yield (
            f"Not shown to be better than always answering the largest class, which is right for "
            f"{percent(share)} of the test images: {_rows(useless)}."
        )
    low_high = [r for r in results if not r.interval_95[0] <= r.balanced_accuracy <= r.interval_95[1]]
    if low_high:
        first = low_high[0]
        yield (
            f"Classes have {sizes[sizes > 0].min()} to {sizes.max()} test images and are not "
            f"recognised equally well. If every class counts the same, {_row(first)} is right for "
            f"{percent(first.balanced_accuracy)} instead of {percent(first.accuracy)}. This "
            f"concerns: {_rows(low_high)}."
        )


def _on_class_weights(comparison: Comparison) -> Iterator[str]:
    classifiers = [row.classifier for row in comparison.fit_plan.rows]
    weighted = [one.label for one in classifiers if one.options.get("class_weight") == "balanced"]
    if weighted:
        yield (
            f"Fitted with classes weighted by their inverse frequency (class_weight=balanced): "
            f"{', '.join(dict.fromkeys(weighted))}. Their figure to compare is the balanced accuracy."
        )


def _row(result: Result) -> str:
    if len(result.backbones) == 1:
        return f"{result.name} on {sources(result.backbones, len(result.learners))}"
    return result.name


def _rows(results: Sequence[Result]) -> str:
    more = len(results) - MAX_ROWS
    return ", ".join(map(_row, results[:MAX_ROWS])) + (f" and {more} more" if more > 0 else "")


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
    if torn := [r for r in results if r.kind == "learner" and r.disagreements]:
        # A repeated fold predicts an image again, so the counts are of predictions.
        total = sum(len(fold.test) for fold in comparison.folds)
        counts = "; ".join(
            f"{r.name} on {', '.join(r.backbones)}: {r.disagreements:,} of {total:,}" for r in torn
        )
        yield (
            f"The learner predicts another class than the most probable one by its own probabilities "
            f"({counts} predictions). Its own accuracy is that of predict; aggregators use the "
            "probabilities."
        )
    if in_sample := [r.name for r in results if r.fit_on == "in-sample"]:
        yield (
            f"Fitted on in-sample probabilities, as in the published recipe: {', '.join(in_sample)}. "
            "The base learners were trained on the same images and are too confident about them, which "
            "can mislead an aggregator that learns from their probabilities. In each fold, test images "
            "were in the training rows of no classifier."
        )


def _on_out_of_fold(comparison: Comparison, results: Sequence[Result]) -> Iterator[str]:
    plan, by_fold = comparison.fit_plan, comparison.fold_fits
    if not any(r.fit_on == "out-of-fold" for r in results):
        return
    predictor = (
        "the learner fitted on the whole training fold"
        if plan.refit
        else "the mean of the inner folds' learners"
    )
    together = "" if plan.groups is None else ", which keep groups together"
    counts = sorted({len(fits.inner_folds) for fits in by_fold})
    cut = (
        f" (--inner-cv {plan.inner_cv} is more than the largest class of a training fold allows)"
        if counts[0] < plan.inner_cv
        else ""
    )
    yield (
        f"Out-of-fold probabilities come from {' or '.join(map(str, counts))} shuffled stratified "
        f"folds inside each training fold{together}{cut}; test images are predicted by {predictor}."
    )
    if affected := [n for fits in by_fold if (n := len(fits.uninformed))]:
        each = f"{min(affected)} to {max(affected)}" if len(set(affected)) > 1 else f"{affected[0]}"
        yield (
            f"In {len(affected)} of {len(by_fold)} folds, {each} training image(s) have no image of "
            "their class outside their own inner fold, so no inner fold can predict them. Aggregators "
            "on out-of-fold probabilities got equal probabilities of all classes for these images."
        )
