"""Before an extraction: what is left to do, and how each backbone is going to do it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit.api.types import Readiness, Reporter
from stackkit.extraction.backbone import UNPREPARED, CheckedBackbone
from stackkit.extraction.decoding import Chunk, Decoder, Request
from stackkit.extraction.estimate import BackboneEstimate
from stackkit.store import DatasetRows, FeatureStore

PROBE = 32
"""Real images that backbones settle their way of working on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedBackbone:
    """A backbone that has settled how it works, and the rows it is to compute.

    `origin` is the provenance of those rows, empty if none of their images can be decoded.
    """

    named: CheckedBackbone
    readiness: Readiness
    pending: list[int]
    origin: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """Backbones ready to work, and the images decoded for that, which need not be decoded again.

    Whoever extracts takes the chunks out of `decoded`: they are as large as any in flight.
    """

    backbones: list[PreparedBackbone]
    decoded: list[Chunk]

    @property
    def chunk_size(self) -> int:
        """Number of images to be decoded together: the largest batch that a backbone wants."""
        return max([PROBE, *(b.readiness.batch_size for b in self.backbones)])


def prepare_backbones(
    decoder: Decoder,
    rows: DatasetRows,
    backbones: Sequence[CheckedBackbone],
    store: FeatureStore,
    reporter: Reporter,
    *,
    measure: bool = False,
) -> Preparation:
    """Ask the store what is lacking, and each backbone that lacks rows to settle how it works.

    With `measure`, one that does not tell its speed is timed; the features made are dropped.
    Nothing is written. Raises ExtractionError, or ImageError of a strict decoder.
    """
    pending = [store.pending(named.key, rows) for named in backbones]
    sizes = {named.backbone.image_size for named, left in zip(backbones, pending, strict=True) if left}
    decoded = list(_until_each_has_one(decoder, pending, sorted(sizes)))
    readable = {row for chunk in decoded for row in chunk.rows}
    probe = max(decoded, key=lambda chunk: len(chunk.rows), default=None)
    ready = []
    for named, left in zip(backbones, pending, strict=True):
        readiness, origin = UNPREPARED, dict[str, Any]()
        if probe and not readable.isdisjoint(left):
            pixels = probe.pixels[named.backbone.image_size]
            readiness = _settled(named, pixels, reporter, measure=measure)
            origin = _origin(named, readiness)
        ready.append(PreparedBackbone(named=named, readiness=readiness, pending=left, origin=origin))
    return Preparation(backbones=ready, decoded=decoded)


def foretold(backbone: PreparedBackbone, rows: DatasetRows, store: FeatureStore) -> BackboneEstimate:
    """What a backbone is going to take."""
    key = backbone.named.key
    there = store.path(key, rows).exists()
    return BackboneEstimate(
        label=backbone.named.label,
        images=len(backbone.pending),
        images_per_s=backbone.readiness.images_per_s,
        new_bytes=0 if there else store.row_bytes(key.feature_dim) * len(rows.samples),
    )


def _until_each_has_one(
    decoder: Decoder, pending: Sequence[Sequence[int]], sizes: Sequence[int]
) -> Iterator[Chunk]:
    """Decode until there is, of each backbone's images, one that can be read, or all have been tried."""
    tried, readable = set[int](), set[int]()
    for left in sorted(pending, key=len, reverse=True):  # so that the first is as large as may be
        for start in range(0, len(left), PROBE):
            if not readable.isdisjoint(left):
                break
            numbers = [number for number in left[start : start + PROBE] if number not in tried]
            chunk = decoder.chunk(Request(numbers=numbers, sizes=sizes))
            tried.update(numbers)
            readable.update(chunk.rows)
            yield chunk


def _settled(
    named: CheckedBackbone, pixels: NDArray[np.uint8], reporter: Reporter, *, measure: bool
) -> Readiness:
    readiness = named.prepare(pixels, reporter.message)
    if measure and readiness.images_per_s is None:
        return replace(readiness, images_per_s=named.images_per_s(pixels))
    return readiness


def _origin(named: CheckedBackbone, readiness: Readiness) -> dict[str, Any]:
    runtime = {"runtime": readiness.settings} if readiness.settings else {}
    return {**named.provenance, **runtime}
