"""Say which images are not independent: groups and copies of files, with labels in doubt."""

from __future__ import annotations

from collections.abc import Iterator

from stackkit.evaluation.comparison import Comparison
from stackkit.evaluation.overlaps import Duplicates, GroupSummary, SharedImages
from stackkit.evaluation.protocol import Protocol


def notes_on_shared_images(
    protocol: Protocol, comparison: Comparison, shared: SharedImages
) -> Iterator[str]:
    """Yield the notes on groups and on copies of one file, a sentence or two each.

    Parameters
    ----------
    protocol : Protocol
        How the images were divided.
    comparison : Comparison
        Provides the folds.
    shared : SharedImages
        What was found in them.

    """
    if shared.groups:
        yield from _on_groups(protocol, shared.groups)
    if protocol.grouped and (distinct := _distinct_repeats(comparison)) < comparison.repeats:
        yield (
            f"Groups leave few ways to divide the images: the {comparison.repeats} repeats have only "
            f"{distinct} different division(s)."
        )
    yield from _on_duplicates(protocol, shared.duplicates)


def _on_groups(protocol: Protocol, groups: GroupSummary) -> Iterator[str]:
    if groups.largest == 1:
        yield "No two images belong to one group, so folds are those of images without groups."
        return
    counted = f"{groups.count} groups, the largest with {groups.largest} image(s)"
    if protocol.grouped:
        yield (
            f"Folds keep groups together: {counted}. Confidence intervals and tests take groups, not "
            "images, as independent; with few large groups, intervals are still a little too narrow."
        )
    elif overlap := groups.in_train_and_test.sets:
        example = groups.in_train_and_test.examples[0]
        yield (
            f"{overlap} of {counted}, have images in both the training and the test part, for example "
            f"{example['train']} and {example['test']}: {groups.in_train_and_test.test_images} test "
            "image(s) are not new to the classifiers, so accuracies are too high for new groups."
        )
    else:
        yield f"No group has images in both the training and the test part ({counted})."


def _on_duplicates(protocol: Protocol, duplicates: Duplicates) -> Iterator[str]:
    overlap = duplicates.in_train_and_test
    if overlap.sets:
        example = overlap.examples[0]
        where = "several folds" if protocol.kind == "cross-validation" else "both parts"
        remedy = (
            "delete the copies from one of them"
            if protocol.kind == "official-split"
            else "pass --group-duplicates"
        )
        yield (
            f"Identical files are in {where}: {overlap.test_images} image(s) are predicted by "
            f"classifiers fitted on a copy, for example {example['test']} and {example['train']}, so "
            f"accuracies are too high; {remedy}."
        )
    if protocol.group_duplicates and duplicates.contents:
        yield (
            f"Folds keep copies together: {duplicates.images} images are {duplicates.contents} "
            "different files."
        )
    if conflict := duplicates.under_several_labels.contents:
        example = duplicates.under_several_labels.examples[0]
        named = ", ".join(f"{id_} ({label})" for id_, label in example.items())
        yield (
            f"Identical files have different labels: {conflict} file content(s) in "
            f"{duplicates.under_several_labels.images} images, for example {named}. Correct the labels."
        )


def _distinct_repeats(comparison: Comparison) -> int:
    """Count different divisions into folds, whatever the order of the folds."""
    per_repeat = len(comparison.folds) // comparison.repeats
    return len(
        {
            frozenset(fold.test.tobytes() for fold in comparison.folds[start : start + per_repeat])
            for start in range(0, len(comparison.folds), per_repeat)
        }
    )
