"""The samples of a feature file as columns: a million of them are read without a million objects."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import overload

from stackkit.api.dataset import Sample


class StoredSamples(Sequence[Sample]):
    """Samples that are made one by one, when they are asked for.

    Parameters
    ----------
    ids : list of str
        n names of images.
    labels : list of int
        n indices into class names.
    splits : list of (str or None)
        n official splits.

    """

    __slots__ = ("ids", "labels", "splits")

    def __init__(self, ids: list[str], labels: list[int], splits: list[str | None]) -> None:
        self.ids, self.labels, self.splits = ids, labels, splits

    @classmethod
    def joined(cls, parts: Iterable[Sequence[Sample]]) -> StoredSamples:
        """Return all samples of several sequences."""
        ids, labels, splits = zip(*map(columns, parts), strict=True)
        return cls(*(list(chain.from_iterable(each)) for each in (ids, labels, splits)))

    def __len__(self) -> int:
        return len(self.ids)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> StoredSamples: ...
    def __getitem__(self, index: int | slice) -> Sample | StoredSamples:
        if isinstance(index, slice):
            return StoredSamples(self.ids[index], self.labels[index], self.splits[index])
        return Sample(id=self.ids[index], label=self.labels[index], split=self.splits[index])


def columns(samples: Sequence[Sample]) -> tuple[list[str], list[int], list[str | None]]:
    """Return the ids, labels and splits of n samples, n each."""
    if isinstance(samples, StoredSamples):
        return samples.ids, samples.labels, samples.splits
    return (
        [sample.id for sample in samples],
        [sample.label for sample in samples],
        [sample.split for sample in samples],
    )
