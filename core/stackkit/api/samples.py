"""Choose samples of a dataset, the same ones every time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import zip_longest

from stackkit.api.errors import UsageError
from stackkit.api.types import Sample


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
