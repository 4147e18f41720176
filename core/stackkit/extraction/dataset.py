"""From chosen components to a dataset and backbones that are ready to work, and their provenance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from stackkit.api.errors import (
    DatasetError,
    ImageError,
    StackkitError,
    one_line,
)
from stackkit.api.types import Dataset, Sample
from stackkit.host.component import ConfiguredComponent

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedDataset:
    """A dataset that keeps what the protocol promises, whoever wrote it."""

    choice: ConfiguredComponent
    dataset: Dataset
    classes: tuple[str, ...]
    samples: tuple[Sample, ...]
    notes: tuple[str, ...]

    def image(self, i: int) -> Image.Image:
        """Image i, mode RGB; raises OSError or ImageError, whatever a decoder raised.

        Raises PluginError if the dataset hands out another mode: that is no fault of the image's.
        """
        try:
            image = self.dataset.image(i)
        except (OSError, StackkitError):
            raise
        except Exception as error:  # Pillow alone raises half a dozen types on broken files
            raise ImageError(one_line(error)) from error
        except BaseException:  # it exits, or an extension panics: not this image's fault
            with self.choice.blamed():
                raise
        with self.choice.blamed():
            if image.mode != "RGB":
                raise ValueError(f"{self.samples[i].id} has mode {image.mode}, RGB is wanted")
        return image

    def fingerprint(self, i: int) -> str:
        """The fingerprint of image i; raises OSError or ImageError, and PluginError if it is none."""
        with self.choice.blamed():
            try:
                fingerprint = self.dataset.fingerprint(i)
            except OSError as error:
                raise ImageError(one_line(error)) from error
            if not (0 < len(fingerprint) <= 64 and fingerprint.isascii()):
                raise ValueError(
                    f"{self.samples[i].id} has a fingerprint of {len(fingerprint)} characters, "
                    "1 to 64 in ASCII are wanted"
                )
            return fingerprint


def open_dataset(choice: ConfiguredComponent) -> CheckedDataset:
    """The dataset, read and checked once.

    Raises DatasetError if fewer than two classes have images, and PluginError if ids or labels
    are not what the protocol promises.
    """
    dataset = cast(Dataset, choice.create())
    with choice.blamed():
        checked = CheckedDataset(
            choice=choice,
            dataset=dataset,
            classes=tuple(dataset.classes),
            samples=tuple(dataset.samples),
            notes=tuple(dataset.notes),
        )
        for sample in checked.samples:
            sample.id.encode()  # a text that UTF-8 has no bytes for could be neither stored nor shown
        ids = {sample.id for sample in checked.samples}
        if len(ids) < len(checked.samples):
            raise ValueError(f"{len(checked.samples)} samples have {len(ids)} different ids")
        labels = {sample.label for sample in checked.samples}
        if labels and not labels <= set(range(len(checked.classes))):
            raise ValueError(f"labels {min(labels)} to {max(labels)} for {len(checked.classes)} classes")
    if len(labels) < 2:
        raise DatasetError(f"{choice.text} has {len(labels)} class with images; at least two are wanted")
    return checked
