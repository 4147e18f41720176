"""Find images of one group, and copies of one file, that are on both sides of a fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stackkit.api.dataset import Dataset, Sample
from stackkit.evaluation.folds import Fold
from stackkit.evaluation.groups import Groups, group_images

MAX_EXAMPLES = 5
"""Number of examples of each kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """Sets of images, such as groups, that are in the training and in the test part of a fold.

    Parameters
    ----------
    sets : int
        Number of sets.
    test_images : int
        Number of images that are predicted by a classifier fitted on another image of their set.
    examples : tuple of mapping of str to str
        Ids of two images of a set: "test" and "train".

    """

    sets: int
    test_images: int
    examples: tuple[Mapping[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictingLabels:
    """File contents under several labels.

    Parameters
    ----------
    contents, images : int
        Number of contents, and of their images.
    examples : tuple of mapping of str to str
        Class names by the ids of images with one content; one image for each label.

    """

    contents: int
    images: int
    examples: tuple[Mapping[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSummary:
    """The groups of the images that are used; an image without a group counts as one.

    Parameters
    ----------
    count : int
        Number of groups.
    largest : int
        Number of images in the largest one.
    in_train_and_test : Overlap
        Groups on both sides of a fold, which only an official split can have.

    """

    count: int
    largest: int
    in_train_and_test: Overlap


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicates:
    """Images whose files have the same content, that is, the same fingerprint.

    Parameters
    ----------
    contents, images : int
        Number of contents that several images share, and of these images.
    in_train_and_test : Overlap
        Contents on both sides of a fold.
    under_several_labels : ConflictingLabels
        Contents whose images have different labels.

    """

    contents: int
    images: int
    in_train_and_test: Overlap
    under_several_labels: ConflictingLabels


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedImages:
    """Groups and copies among the images of a run; `groups` is None if the dataset has none."""

    groups: GroupSummary | None
    duplicates: Duplicates


def summarise_groups(
    groups: Groups | None, samples: Sequence[Sample], folds: Sequence[Fold]
) -> GroupSummary:
    """Count groups (n,) and those on both sides of a fold; `groups` is None if no images share one."""
    if groups is None:
        groups = np.arange(len(samples))
    sizes = np.bincount(groups[_used(folds)])
    return GroupSummary(
        count=int(np.count_nonzero(sizes)),
        largest=int(sizes.max()),
        in_train_and_test=_overlap(groups, samples, folds),
    )


def find_duplicates(
    dataset: Dataset, samples: Sequence[Sample], fingerprints: Sequence[str], folds: Sequence[Fold]
) -> Duplicates:
    """Compare the fingerprints of n images that are divided into folds; reads no image.

    Parameters
    ----------
    dataset : Dataset
        Provides class names.
    samples, fingerprints : sequence
        The n images and the fingerprints of their files.
    folds : sequence of Fold
        Rows are positions in `samples`. Images that are in no fold are left out.

    """
    contents = group_images([Sample(id=one.id, label=one.label) for one in samples], fingerprints)
    if contents is None:
        contents = np.arange(len(samples))
    used = _used(folds)
    sizes = np.bincount(contents[used])
    return Duplicates(
        contents=int(np.sum(sizes > 1)),
        images=int(sizes[sizes > 1].sum()),
        in_train_and_test=_overlap(contents, samples, folds),
        under_several_labels=_conflicting_labels(dataset, contents, samples, used),
    )


def _used(folds: Sequence[Fold]) -> NDArray[np.int64]:
    """Return all rows in some fold, ascending."""
    return np.unique(np.concatenate([rows for fold in folds for rows in (fold.train, fold.test)]))


def _overlap(sets: Groups, samples: Sequence[Sample], folds: Sequence[Fold]) -> Overlap:
    n_sets = int(sets.max()) + 1
    ever = np.zeros(n_sets, dtype=bool)
    predicted = np.zeros(len(samples), dtype=bool)
    examples: dict[int, Mapping[str, str]] = {}
    for fold in folds:
        both = np.bincount(sets[fold.train], minlength=n_sets) > 0
        both &= np.bincount(sets[fold.test], minlength=n_sets) > 0
        ever |= both
        predicted[fold.test[both[sets[fold.test]]]] = True
        for one in map(int, np.flatnonzero(both)[:MAX_EXAMPLES]):
            test, train = (rows[sets[rows] == one][0] for rows in (fold.test, fold.train))
            examples.setdefault(one, {"test": samples[test].id, "train": samples[train].id})
    shown = sorted(examples)[:MAX_EXAMPLES]
    return Overlap(
        sets=int(ever.sum()),
        test_images=int(predicted.sum()),
        examples=tuple(examples[one] for one in shown),
    )


def _conflicting_labels(
    dataset: Dataset, contents: Groups, samples: Sequence[Sample], used: NDArray[np.int64]
) -> ConflictingLabels:
    labels = np.array([samples[row].label for row in used])
    pairs, first = np.unique(np.stack([contents[used], labels]), axis=1, return_index=True)
    found, n_labels = np.unique(pairs[0], return_counts=True)
    conflicting = found[n_labels > 1]
    return ConflictingLabels(
        contents=len(conflicting),
        images=int(np.isin(contents[used], conflicting).sum()),
        examples=tuple(
            {
                samples[row].id: dataset.classes[samples[row].label]
                for row in sorted(used[first[pairs[0] == one]])[:MAX_EXAMPLES]
            }
            for one in conflicting[:MAX_EXAMPLES]
        ),
    )
