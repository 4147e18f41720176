"""What stored features belong to: a backbone setting, and the rows of a dataset."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from stackkit.api.dataset import Sample
from stackkit.store.columns import columns
from stackkit.store.shards import Shard

FeatureDtype = Literal["float32", "float16"]

_UNSAFE = re.compile(r"[^a-z0-9.=_-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class BackboneKey:
    """Everything that determines the features of an image; equal keys mean interchangeable features.

    Parameters
    ----------
    name : str
        Qualified name, "plugin/name".
    revision : str
        Revision that the backbone declares. For a third-party backbone it is followed by a space and
        the digest of its code, see `CheckedBackbone.code`.
    image_size : int
        Side of the square images in pixels.
    feature_dim : int
        Number of features per image.
    trained : bool
        False for random weights. The revision implies it, so it is not compared.
    dtype : {"float32", "float16"}
        Type of the stored features.
    resize : str
        How images become squares: "squash", "crop" or "pad".
    view : str
        Which part of the images the backbone saw: "whole", "mirror", "attention" or a crop.
    boxes : str
        For an attention view, `folder` of the features that are its boxes; else "".
    exact : bool
        Store the features as float32 also where others are rounded to float16. It is not compared.

    """

    name: str
    revision: str
    image_size: int
    feature_dim: int
    trained: bool = field(compare=False)
    dtype: FeatureDtype = "float32"
    resize: str = "squash"
    view: str = "whole"
    boxes: str = ""
    exact: bool = field(default=False, compare=False)

    @property
    def pixels(self) -> dict[str, str]:
        """What differs from squashed whole images, by field name; mostly nothing."""
        fields = {"resize": self.resize, "view": self.view, "boxes": self.boxes}
        usual = {"resize": "squash", "view": "whole", "boxes": ""}
        return {name: value for name, value in fields.items() if value != usual[name]}

    @property
    def folder(self) -> str:
        """Name of the folder for this setting: a readable prefix and a digest, "NAME-DIGEST"."""
        content: list[Any] = [self.name, self.revision, self.image_size, self.feature_dim]
        # float32 is left out of the digest because format 1 had no other dtype: its folders stay valid.
        if self.dtype != "float32":
            content.append(self.dtype)
        if self.pixels:  # likewise
            content.append(self.pixels)
        return f"{slug(self.name)}-{_digest(json.dumps(content))}"


@dataclass(frozen=True, kw_only=True)
class DatasetRows:
    """The n rows of a feature file, one per sample of the dataset, in the order of the dataset.

    Parameters
    ----------
    dataset : str
        Canonical text of the dataset with its options, such as "cub200:limit=5".
    classes : sequence of str
        Class names; `Sample.label` is an index into them.
    samples : sequence of Sample
        The n samples.
    fingerprints : sequence of str
        n fingerprints of the images' contents, at most 64 ASCII characters each. "" marks an image that
        cannot be read: its row stays empty.
    shard : Shard or None
        Which range of a dataset the rows are, with all its classes; None for a whole dataset.

    """

    # No slots: digests of a million rows take a second, and are kept.

    dataset: str
    classes: Sequence[str]
    samples: Sequence[Sample]
    fingerprints: Sequence[str]
    shard: Shard | None = None

    @property
    def n_readable(self) -> int:
        """Number of images that can be read."""
        return sum(map(bool, self.fingerprints))

    @property
    def file_name(self) -> str:
        """Name of the file for these rows: a readable prefix, see `slug`, and `ending`."""
        return f"{slug(self.dataset)}-{self.ending}"

    @cached_property
    def ending(self) -> str:
        """End of the file name, with a digest of everything in the rows.

        The digest separates datasets with the same text, such as the same relative folder in two
        projects.
        """
        # Fingerprints are included, so a file never has to change when an image does: a changed image
        # makes another file, and the old one stays valid for the old images.
        if self.shard:
            # Without the text of the dataset, which may differ between machines: it names a folder.
            return f"{self.shard.name}-{_digest(json.dumps(list(self.fingerprints)))}.h5"
        classes, samples, fingerprints = self._images
        return f"{_digest(json.dumps([self.dataset, classes, samples, fingerprints]))}.h5"

    @cached_property
    def listing(self) -> str:
        """Digest of the classes and samples, 12 hexadecimal digits, without the images' contents."""
        return _digest(json.dumps(self._images[:2]))

    def has_images_of(self, other: DatasetRows) -> bool:
        """Return whether these are the same rows, by whatever text the dataset was chosen.

        One folder has many texts: `bin`, `bin/`, a link to it, or its path from another directory.
        """
        same_kind = self.shard == other.shard and len(self.samples) == len(other.samples)
        return same_kind and self._images == other._images

    def part(self, shard: Shard) -> DatasetRows:
        """Return the rows of one shard of this dataset."""
        chosen = shard.range(len(self.samples))
        return replace(
            self,
            samples=self.samples[chosen.start : chosen.stop],
            fingerprints=self.fingerprints[chosen.start : chosen.stop],
            shard=shard,
        )

    @property
    def _images(self) -> tuple[list[str], list[tuple[str, int, str | None]], list[str]]:
        return (
            list(self.classes),
            list(zip(*columns(self.samples), strict=True)),
            list(self.fingerprints),
        )


def listing_of(classes: Sequence[str], samples: Sequence[Sample]) -> str:
    """Return `DatasetRows.listing` of a dataset whose images have not been read."""
    return DatasetRows(dataset="", classes=classes, samples=samples, fingerprints=()).listing


def slug(text: str) -> str:
    """Return `text` in characters that are safe in file names, at most 60 of them."""
    return _UNSAFE.sub("-", text.lower()).strip("-")[:60]


def _digest(text: str) -> str:
    # 48 bits are short enough for a file name. Should two settings collide nevertheless, the metadata in
    # the file shows it: `Contents.matches` compares the keys themselves.
    return hashlib.sha256(text.encode()).hexdigest()[:12]
