"""Choose samples of a dataset, the same ones every time."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest

from stackkit.api.dataset import Sample
from stackkit.api.errors import DatasetError, UsageError


def limit_per_class(samples: Sequence[Sample], limit: int | None) -> list[Sample]:
    """Return at most `limit` samples of every class, in their original order.

    Parameters
    ----------
    samples : sequence of Sample
        All samples of a dataset.
    limit : int or None
        Maximum number of samples per class, >= 1. None keeps all samples.

    Returns
    -------
    list of Sample
        The first samples of each class, taken in turn from each official split, so that no split
        loses all samples of a class while another one keeps several. A larger limit only adds samples.

    Raises
    ------
    UsageError
        If `limit` is less than 1.

    """
    if limit is None:
        return list(samples)
    if limit < 1:
        raise UsageError(f"limit must be at least 1 image per class, got {limit}")
    groups: dict[int, dict[str | None, list[int]]] = defaultdict(lambda: defaultdict(list))
    for index, sample in enumerate(samples):
        groups[sample.label][sample.split].append(index)
    kept: list[int] = []
    for by_split in groups.values():
        in_turn = [i for row in zip_longest(*by_split.values()) for i in row if i is not None]
        kept += in_turn[:limit]
    return [samples[index] for index in sorted(kept)]


def leave_out_small_classes(
    samples: Sequence[Sample], classes: Sequence[str], minimum: int | None
) -> tuple[list[Sample], list[str], list[str]]:
    """Leave out the classes with fewer than `minimum` samples.

    Parameters
    ----------
    samples : sequence of Sample
        All samples of a dataset. Call this function before `limit_per_class`, so that a limit does not
        make classes small.
    classes : sequence of str
        The names of the classes, to which labels are indices.
    minimum : int or None
        Smallest number of samples of a class, in all official splits together. None keeps all classes.

    Returns
    -------
    samples : list of Sample
        The samples of the other classes in their original order. Labels are indices into the new
        `classes`.
    classes : list of str
        The names of the other classes in their original order.
    notes : list of str
        A remark for the report with the number of classes and images that were left out; empty if no
        class was.

    Raises
    ------
    DatasetError
        If fewer than two classes remain.

    """
    counts = Counter(sample.label for sample in samples)
    small = [label for label in range(len(classes)) if counts[label] < (minimum or 0)]
    if not small:
        return list(samples), list(classes), []
    left_out = set(small)
    kept = [label for label in range(len(classes)) if label not in left_out]
    if len(kept) < 2:
        second = sorted(counts.values())[-2:][0]
        raise DatasetError(
            f"min_per_class={minimum} leaves {len(kept)} of {len(classes)} classes, expected at least "
            f"two; use min_per_class={second} or less"
        )
    new = {label: index for index, label in enumerate(kept)}
    sizes = {classes[label]: counts[label] for label in small}
    remaining = [replace(s, label=new[s.label]) for s in samples if s.label in new]
    return remaining, [classes[label] for label in kept], [_left_out_note(sizes, minimum)]


def _left_out_note(sizes: Mapping[str, int], minimum: int | None) -> str:
    """Say which classes, with how many images, were left out."""
    examples = ", ".join(f"{name} with {count}" for name, count in list(sizes.items())[:3])
    return (
        f"left out by min_per_class={minimum}: {len(sizes)} classes with "
        f"{sum(sizes.values())} images (for example {examples})"
    )
