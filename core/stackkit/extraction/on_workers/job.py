"""What workers are told about an extraction, and what they return: small, and can be pickled."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit.api.backbone import Readiness
from stackkit.api.dataset import Sample
from stackkit.execution.references import ComponentReference
from stackkit.extraction.blocks import Block, Rows
from stackkit.extraction.boxes import Boxes
from stackkit.store import BackboneKey


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetJob:
    """A dataset that workers read.

    Parameters
    ----------
    component : ComponentReference
        The dataset.
    settings : mapping of str to str
        The settings that decide which plugins are loaded, see `host_settings`.
    samples : str
        `digest_of` the samples: the workers must see the same ones.
    opened : str
        Names the process and the object that opened it: workers read the dataset again for another one.
    shard : (int, int) or None
        Number of the range of samples, and number of ranges, see `part_of`; None for all samples.

    """

    component: ComponentReference
    settings: Mapping[str, str]
    samples: str
    opened: str
    shard: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetJob:
    """A feature set that workers compute.

    Parameters
    ----------
    number : int
        Its number among all sets of the backbones, in the order of `feature_sets`.
    label : str
        Its label where the run was started.
    key : BackboneKey
        The key of its features, which must be the same on the worker.
    pending : int
        Number of rows to compute.
    sample : tuple of int
        Some rows to compute; networks are prepared with the first of them that can be decoded.

    """

    number: int
    label: str
    key: BackboneKey
    pending: int
    sample: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractionJob:
    """An extraction, as workers must know it.

    Parameters
    ----------
    dataset : DatasetJob
        The dataset.
    backbones : tuple of ComponentReference
        The backbones.
    sets : tuple of SetJob
        The feature sets to compute. Blocks name a set by its place among them.
    threads : int or None
        Threads of a worker; None for all cores.
    n_workers : int
        How many workers share the images, about.
    versions : mapping of str to str
        The versions that a worker must have, see `worker_versions`.
    probes : mapping of int to str
        Numbers of some images with their fingerprints, which must be the same there.
    fingerprints : mapping of int to str
        Those of the rows in the samples of sets.

    """

    dataset: DatasetJob
    backbones: tuple[ComponentReference, ...]
    sets: tuple[SetJob, ...]
    threads: int | None
    n_workers: int
    versions: Mapping[str, str]
    probes: Mapping[int, str]
    fingerprints: Mapping[int, str] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageTask:
    """Some images to compute features of.

    Parameters
    ----------
    numbers : ndarray of shape (k,), int64
        The images, in ascending order.
    fingerprints : tuple of str
        Their fingerprints.
    pending : mapping of int to ndarray of shape (k,), bool
        Which of them to compute, by place of the set in `ExtractionJob.sets`.
    boxes : mapping of str to Boxes
        Their boxes, by `Geometry.boxes`.

    """

    numbers: Rows
    fingerprints: tuple[str, ...]
    pending: Mapping[int, NDArray[np.bool_]]
    boxes: Mapping[str, Boxes]

    def halves(self) -> Sequence[ImageTask]:
        """Divide the images in two parts; empty for a single image."""
        middle = len(self.numbers) // 2
        return [self._part(slice(middle)), self._part(slice(middle, None))] if middle else []

    def _part(self, part: slice) -> ImageTask:
        places = range(len(self.numbers))[part]
        return replace(
            self,
            numbers=self.numbers[part],
            fingerprints=self.fingerprints[part],
            pending={number: each[part] for number, each in self.pending.items()},
            boxes={name: each.take(places) for name, each in self.boxes.items()},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerReadiness:
    """How a worker is going to compute.

    Parameters
    ----------
    readiness : tuple of Readiness or None
        By set of the job; None for one none of whose sample images can be decoded.
    readable : frozenset of int
        Sample images that can be decoded.
    messages : tuple of str
        What its backbones told the user.

    """

    readiness: tuple[Readiness | None, ...]
    readable: frozenset[int]
    messages: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskResult:
    """What a worker computed for an `ImageTask`.

    Parameters
    ----------
    blocks : tuple of Block
        The blocks; remarks are left out of images that have none.
    settings : mapping of int to mapping
        `Readiness.settings` of the networks that computed them, by set of the job.

    """

    blocks: tuple[Block, ...]
    settings: Mapping[int, Mapping[str, Any]]


def digest_of(samples: Sequence[Sample]) -> str:
    """Return a digest of the ids of samples, in order."""
    digest = hashlib.blake2b(digest_size=16)
    for start in range(0, len(samples), 1000):
        names = "\0".join(sample.id for sample in samples[start : start + 1000])
        digest.update(f"{names}\0".encode())
    return digest.hexdigest()
