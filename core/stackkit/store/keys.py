"""What features belong to: a backbone setting on one side, the rows of a dataset on the other."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from stackkit.api.types import Sample

FeatureDtype = Literal["float32", "float16"]

_SAFE = re.compile(r"[^a-z0-9.=_-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class BackboneKey:
    """What decides a backbone's features: two equal keys mean interchangeable features.

    `trained` says what the revision implies, and decides nothing by itself.
    """

    name: str
    revision: str
    image_size: int
    feature_dim: int
    trained: bool = field(compare=False)
    dtype: FeatureDtype = "float32"

    @property
    def folder(self) -> str:
        """Folder of the store that holds this setting's files: readable name and digest."""
        content = [self.name, self.revision, self.image_size, self.feature_dim]
        if self.dtype != "float32":  # whose folders are those of format 1, which knew no other
            content.append(self.dtype)
        return f"{_slug(self.name)}-{_digest(json.dumps(content))}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetRows:
    """The rows a file is to hold: one per sample, `fingerprints[i]` of sample i's image.

    An empty fingerprint marks an image that cannot be read; its row stays empty.
    """

    dataset: str
    classes: Sequence[str]
    samples: Sequence[Sample]
    fingerprints: Sequence[str]

    @property
    def n_readable(self) -> int:
        """Number of images that can be read."""
        return sum(map(bool, self.fingerprints))

    @property
    def file_name(self) -> str:
        """Name of the file that holds these rows: readable name, and digest of all that is in them.

        Two datasets that are typed alike (the same relative folder, another project) are two files.
        """
        samples = [(sample.id, sample.label, sample.split) for sample in self.samples]
        content = [self.dataset, list(self.classes), samples, list(self.fingerprints)]
        return f"{_slug(self.dataset)}-{_digest(json.dumps(content))}.h5"


def _slug(text: str) -> str:
    return _SAFE.sub("-", text.lower()).strip("-")[:60]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
