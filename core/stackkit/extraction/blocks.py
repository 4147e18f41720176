"""Turn decoded images into blocks of features: the half of an extraction that runs beside the images.

It needs no store, so it runs in this process or on a worker. `compute` writes the blocks to files.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from stackkit.api.dataset import FailedImage, Sample
from stackkit.extraction.boxes import Boxes
from stackkit.extraction.decoding import Chunk, Remarks, Request
from stackkit.extraction.network_calls import ComputedSet, by_call, call, require_finite

Rows: TypeAlias = NDArray[np.int64]
"""(k,) numbers of images, in ascending order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingSet(ComputedSet):
    """A feature set, and the rows of it that have to be computed.

    Parameters
    ----------
    number : int
        Number of the set in its extraction, see `Block`.
    pending : ndarray of shape (n,), bool
        Whether each row has to be computed, beginning with row `first`.
    first : int
        The first row that `pending` is about.

    """

    number: int
    pending: NDArray[np.bool_]
    first: int = 0

    def among(self, numbers: Sequence[int] | Rows) -> NDArray[np.bool_]:
        """Return (k,) whether each of k rows has to be computed."""
        return self.pending[np.asarray(numbers, dtype=np.int64) - self.first]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """What one call of a network returned for some images, or what decoding them told.

    Parameters
    ----------
    numbers : ndarray of shape (m,), int64
        The images, with those that failed.
    sets : tuple of int
        The sets that are done with these images, by `PendingSet.number`; empty after decoding.
    features : mapping of int to (ndarray of shape (k,), ndarray of shape (k, d) float32)
        The rows and their features, by set, of sets that have some.
    seconds : float
        Time in the network for each of these sets.
    failed : tuple of FailedImage
        Images that could not be decoded, with reasons.
    remarks : mapping of str to tuple of ImageRemark
        What is special about each image that was decoded, by id.

    """

    numbers: Rows
    sets: tuple[int, ...] = ()
    features: Mapping[int, tuple[Rows, NDArray[np.float32]]] = field(default_factory=dict)
    seconds: float = 0.0
    failed: tuple[FailedImage, ...] = ()
    remarks: Mapping[str, Remarks] = field(default_factory=dict)


def pending_in(sets: Sequence[PendingSet]) -> Rows:
    """Return the rows that are pending for any of some sets, all of which begin with row 0."""
    if not sets:
        return np.empty(0, np.int64)
    return np.flatnonzero(np.logical_or.reduce([each.pending for each in sets]))


def requests(
    numbers: Rows, size: int, sets: Sequence[PendingSet], boxes: Mapping[str, Boxes]
) -> Iterator[Request]:
    """Divide images into requests of at most `size` for the decoder.

    Parameters
    ----------
    numbers : ndarray of shape (k,), int64
        The images.
    size : int
        The number of images to decode together.
    sets : sequence of PendingSet
        What is computed of them.
    boxes : mapping of str to Boxes
        The k boxes of the images, by `Geometry.boxes`.

    """
    for start in range(0, len(numbers), size):
        part = numbers[start : start + size]
        # Only what is needed: for most chunks, some sets may have all rows already.
        geometries = {each.geometry: None for each in sets if each.among(part).any()}
        yield Request(
            numbers=part.tolist(),
            geometries=list(geometries),
            boxes={name: all_.take(range(start, start + len(part))) for name, all_ in boxes.items()},
        )


def blocks_of(chunk: Chunk, sets: Sequence[PendingSet], samples: Sequence[Sample]) -> Iterator[Block]:
    """Pass decoded images through every network: yield what decoding told, then a block per call.

    Raises
    ------
    ExtractionError
        If a backbone fails, or returns features that are not finite.

    """
    numbers = np.array(chunk.numbers, dtype=np.int64)
    yield Block(numbers=numbers, failed=tuple(chunk.failed), remarks=chunk.remarks)
    # All backbones advance together, chunk by chunk, so that each image is decoded once only.
    for together in by_call(sets):
        yield _computed(together, chunk, numbers, samples)


def _computed(
    together: Sequence[PendingSet], chunk: Chunk, numbers: Rows, samples: Sequence[Sample]
) -> Block:
    """Compute the pending rows of a chunk for the sets of one call."""
    sets = tuple(each.number for each in together)
    rows = np.array(chunk.rows, dtype=np.int64)
    pending = [each.among(rows) for each in together]
    # A row that is pending for some of the sets only is computed for all, and kept for these.
    needed = np.logical_or.reduce(pending)
    if not needed.any():
        return Block(numbers=numbers, sets=sets)
    pixels = chunk.pixels[together[0].geometry]
    # Indexing copies the pixels, which is not necessary if all of them are pending.
    start = time.perf_counter()
    found = call(together, pixels if needed.all() else pixels[needed])
    # Sets of one call share its time, so that the times of all sets add up.
    seconds = (time.perf_counter() - start) / len(together)
    features = {}
    for each, own, computed in zip(together, pending, found, strict=True):
        if own.any():
            values = computed if own[needed].all() else computed[own[needed]]
            require_finite(each, values, [samples[row].id for row in rows[own]])
            features[each.number] = rows[own], values
    return Block(numbers=numbers, sets=sets, features=features, seconds=seconds)
