"""Some images of a dataset as a dataset of their own: a sample, some classes, or a training part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stackkit.api.dataset import Dataset, Sample
from stackkit.store import DatasetRows

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Subset:
    """Some images of a dataset, in its order. Classes without images are left out.

    Parameters
    ----------
    dataset : Dataset
        The whole dataset.
    numbers : tuple of int
        The images, by their numbers in the whole dataset.
    classes, samples, notes : tuple
        As in `Dataset`; labels are indices into the classes that are left.

    """

    dataset: Dataset
    numbers: tuple[int, ...]
    classes: tuple[str, ...]
    samples: tuple[Sample, ...]
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, dataset: Dataset, numbers: Sequence[int]) -> Subset:
        """Return the images with these numbers."""
        ordered = tuple(sorted(numbers))
        chosen = [dataset.samples[number] for number in ordered]
        labels = sorted({sample.label for sample in chosen})
        new = {label: place for place, label in enumerate(labels)}
        return cls(
            dataset=dataset,
            numbers=ordered,
            classes=tuple(dataset.classes[label] for label in labels),
            samples=tuple(replace(sample, label=new[sample.label]) for sample in chosen),
        )

    def image(self, i: int) -> Image.Image:
        """Return image i of the subset."""
        return self.dataset.image(self.numbers[i])

    def fingerprint(self, i: int) -> str:
        """Return the fingerprint of image i of the subset."""
        return self.dataset.fingerprint(self.numbers[i])

    def rows(self, whole: DatasetRows) -> DatasetRows:
        """Return the rows of the subset, given those of the whole dataset.

        The text of the dataset is the same, so that the store removes the file of a subset when it has
        all its rows in the file of the whole dataset.
        """
        return DatasetRows(
            dataset=whole.dataset,
            classes=self.classes,
            samples=self.samples,
            fingerprints=[whole.fingerprints[number] for number in self.numbers],
        )
