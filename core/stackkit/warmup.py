"""Before an extraction: what is left to do, and how each backbone is going to do it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stackkit.backbones import UNPREPARED, NamedBackbone
from stackkit.decoding import Chunk, Decoder, Request
from stackkit.forecast import BackboneForecast
from stackkit.store import DatasetRows, FeatureStore
from stackkit.types import Readiness, Reporter

PROBE = 32
"""Real images that backbones settle their way of working on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyBackbone:
    """A backbone whose provenance tells how it works, and the rows it is to compute."""

    named: NamedBackbone
    readiness: Readiness
    pending: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class WarmUp:
    """Backbones ready to work, and the images decoded for that, which need not be decoded again.

    Whoever extracts takes the chunks out of `decoded`: they are as large as any in flight.
    """

    backbones: list[ReadyBackbone]
    decoded: list[Chunk]

    @property
    def chunk_size(self) -> int:
        """Number of images to be decoded together: the largest batch that a backbone wants."""
        return max([PROBE, *(b.readiness.batch_size for b in self.backbones)])


def warm_up(
    decoder: Decoder,
    rows: DatasetRows,
    backbones: Sequence[NamedBackbone],
    store: FeatureStore,
    reporter: Reporter,
    *,
    measure: bool = False,
) -> WarmUp:
    """Ask the store what is lacking, and each backbone that lacks rows to settle how it works.

    With `measure`, one that does not tell its speed is timed; the features made are dropped.
    Nothing is written. Raises ExtractionError, or ImageError of a strict decoder.
    """
    pending = [store.pending(named.key, rows) for named in backbones]
    todo = sorted(set().union(*pending))
    sizes = {named.backbone.image_size for named, left in zip(backbones, pending, strict=True) if left}
    decoded = list(_until_one_can_be_read(decoder, todo, sorted(sizes)))
    probe = decoded[-1].pixels if decoded and decoded[-1].rows else {}
    ready = []
    for named, left in zip(backbones, pending, strict=True):
        readiness = UNPREPARED
        if left and probe:
            pixels = probe[named.backbone.image_size]
            readiness = _settled(named, pixels, reporter, measure=measure)
        ready.append(ReadyBackbone(named=_telling(named, readiness), readiness=readiness, pending=left))
    return WarmUp(backbones=ready, decoded=decoded)


def foretold(backbone: ReadyBackbone, rows: DatasetRows, store: FeatureStore) -> BackboneForecast:
    """What a backbone is going to take."""
    key = backbone.named.key
    there = store.path(key, rows).exists()
    return BackboneForecast(
        label=backbone.named.label,
        images=len(backbone.pending),
        images_per_s=backbone.readiness.images_per_s,
        new_bytes=0 if there else store.row_bytes(key) * len(rows.samples),
    )


def _until_one_can_be_read(
    decoder: Decoder, todo: Sequence[int], sizes: Sequence[int]
) -> Iterator[Chunk]:
    for start in range(0, len(todo), PROBE):
        chunk = decoder.chunk(Request(numbers=todo[start : start + PROBE], sizes=sizes))
        yield chunk
        if chunk.rows:
            return


def _settled(
    named: NamedBackbone, pixels: NDArray[np.uint8], reporter: Reporter, *, measure: bool
) -> Readiness:
    readiness = named.prepare(pixels, reporter.message)
    if measure and readiness.images_per_s is None:
        return replace(readiness, images_per_s=named.images_per_s(pixels))
    return readiness


def _telling(named: NamedBackbone, readiness: Readiness) -> NamedBackbone:
    if not readiness.settings:
        return named
    return replace(named, provenance={**named.provenance, "runtime": dict(readiness.settings)})
