"""Open a dataset and check that it keeps to its protocol."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from stackkit.api.dataset import Dataset, Sample
from stackkit.api.errors import DatasetError, ImageError, StackkitError, UsageError, one_line
from stackkit.extraction.decoding import memory_error
from stackkit.host.configured_component import ConfiguredComponent
from stackkit.store.keys import listing_of
from stackkit.store.shards import Shard

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedDataset:
    """A dataset whose images and fingerprints are checked when they are read.

    Parameters
    ----------
    component : ConfiguredComponent
        The component that made it; errors name it.
    dataset : Dataset
        The dataset of the plugin.
    classes, samples, notes : tuple
        What the plugin returned when the dataset was opened, see `stackkit.api.Dataset`.
    shard : Shard or None
        Which range of the dataset's samples these are, with all its classes; None for all of them.
    first : int
        Number of the first of them in the whole dataset.

    """

    component: ConfiguredComponent
    dataset: Dataset
    classes: tuple[str, ...]
    samples: tuple[Sample, ...]
    notes: tuple[str, ...]
    shard: Shard | None = None
    first: int = 0

    def image(self, i: int) -> Image.Image:
        """Return image i in mode RGB.

        Raises
        ------
        OSError, ImageError
            If the image cannot be read; the extraction continues without it.
        PluginError
            If the image has another mode, which is an error of the plugin and not of the image.

        """
        try:
            image = self.dataset.image(self.first + i)
        except (OSError, StackkitError, MemoryError):
            raise  # the decoder counts OSError and ImageError as an image that fails
        except Exception as error:  # Pillow alone raises half a dozen types for damaged files
            raise ImageError(one_line(error)) from error
        except BaseException:  # SystemExit, or a panic in an extension: the image is not to blame
            with self.component.blamed():
                raise
        with self.component.blamed():
            if image.mode != "RGB":
                raise ValueError(f"image {self.samples[i].id} must have mode RGB, got mode {image.mode}")
        return image

    def fingerprint(self, i: int) -> str:
        """Return the fingerprint of image i, 1 to 64 ASCII characters.

        Raises
        ------
        ImageError
            If the image cannot be read.
        ImageMemoryError
            If the image does not fit in memory, which is not the plugin's fault.
        PluginError
            If the fingerprint is invalid or the plugin fails.

        """
        with self.component.blamed():
            try:
                fingerprint = self.dataset.fingerprint(self.first + i)
            except OSError as error:
                raise ImageError(one_line(error)) from error
            except MemoryError as error:
                # Not a plain MemoryError, which `blamed` would turn into an error of the plugin.
                raise memory_error(self.samples[i].id, error) from error
            if not (0 < len(fingerprint) <= 64 and fingerprint.isascii()):
                raise ValueError(
                    f"the fingerprint of {self.samples[i].id} must be 1 to 64 ASCII characters, got "
                    f"{len(fingerprint)} characters: {fingerprint[:80]!a}"
                )
            return fingerprint


def part_of(dataset: CheckedDataset, part: int, of: int) -> CheckedDataset:
    """Return range `part`, from 1, of `of` ranges of a whole dataset, as a dataset of its own.

    Raises
    ------
    UsageError
        If the dataset has fewer images than ranges.

    """
    count = len(dataset.samples)
    if count < of:
        raise UsageError(f"--shard {part}/{of} needs at least {of} images, got {count}")
    shard = Shard(part=part, of=of, listing=listing_of(dataset.classes, dataset.samples))
    chosen = shard.range(count)
    samples = dataset.samples[chosen.start : chosen.stop]
    return replace(dataset, samples=samples, shard=shard, first=chosen.start)


def open_dataset(component: ConfiguredComponent, *, least_classes: int = 2) -> CheckedDataset:
    """Create the dataset of a component, and check its classes, samples and notes.

    Raises
    ------
    DatasetError
        If fewer than `least_classes` classes have images.
    PluginError
        If ids are not unique, labels are out of range, or the plugin fails.

    """
    dataset = cast(Dataset, component.create())
    with component.blamed():
        checked = CheckedDataset(
            component=component,
            dataset=dataset,
            classes=tuple(dataset.classes),
            samples=tuple(dataset.samples),
            notes=tuple(dataset.notes),
        )
        for sample in checked.samples:
            # Raises UnicodeEncodeError for file names that are not valid text (lone surrogates), which
            # could be neither stored nor printed.
            sample.id.encode()
        ids = {sample.id for sample in checked.samples}
        if len(ids) < len(checked.samples):
            raise ValueError(
                f"sample ids must be unique, got {len(ids)} different ids for "
                f"{len(checked.samples)} samples"
            )
        labels = {sample.label for sample in checked.samples}
        if wrong := [label for label in labels if not isinstance(label, int)]:
            raise TypeError(f"labels must be integers, got {type(wrong[0]).__name__} {wrong[0]!r}")
        if labels and not labels <= set(range(len(checked.classes))):
            raise ValueError(
                f"labels must be from 0 to {len(checked.classes) - 1}, "
                f"got {min(labels)} to {max(labels)}"
            )
    _check_number(checked, labels, least_classes)
    return checked


def _check_number(checked: CheckedDataset, labels: set[int], least: int) -> None:
    name = checked.component.text
    if len(labels) == 1 and least == 2:
        raise DatasetError(
            f"{name} has images of only one class ({checked.classes[min(labels)]}), expected at least "
            "two; if its classes are folders, point root= to the folder that contains them"
        )
    if len(labels) < least:
        raise DatasetError(f"{name} has no images of any class, expected at least {least} class(es)")
