"""Find out what an extraction has to compute, and prepare the backbones for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit.api.types import Readiness, Reporter
from stackkit.extraction.backbone import DEFAULT_READINESS, CheckedBackbone
from stackkit.extraction.changed_code import reason_to_recompute
from stackkit.extraction.decoding import Chunk, Decoder, Request
from stackkit.extraction.estimate import BackboneEstimate
from stackkit.extraction.network_pass import Pass, passes
from stackkit.store import DatasetRows, FeatureStore

SAMPLE_IMAGES = 32
"""Number of images of the dataset that backbones are prepared with, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedBackbone:
    """A backbone that is ready to compute its pending rows.

    Parameters
    ----------
    backbone : CheckedBackbone
        The backbone.
    readiness : Readiness
        How it works: settings, batch size, speed.
    pending : list of int
        Rows to compute, in order.
    provenance : mapping
        Origin of those rows, a JSON object. Empty if there are none, or none of their images can be
        decoded.
    shared : Pass
        What computes the rows, maybe together with those of other backbones.

    """

    backbone: CheckedBackbone
    readiness: Readiness
    pending: list[int]
    provenance: Mapping[str, Any]
    shared: Pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """All backbones prepared, and the images that were decoded for that.

    `extract` removes the chunks from `decoded` as it uses them, so their memory is freed.
    """

    backbones: list[PreparedBackbone]
    decoded: list[Chunk]

    @property
    def chunk_size(self) -> int:
        """Number of images to decode together: the largest batch size of a backbone, at least 32."""
        return max([SAMPLE_IMAGES, *(each.readiness.batch_size for each in self.backbones)])

    def sample_images(self, size: int) -> NDArray[np.uint8]:
        """Return the (n, size, size, 3) uint8 images that backbones of this size were prepared with.

        Call it before `extract` has removed the chunks, for a backbone with a provenance.
        """
        return _sample_images(self.decoded, size)


def prepare_backbones(
    decoder: Decoder,
    rows: DatasetRows,
    backbones: Sequence[CheckedBackbone],
    store: FeatureStore,
    reporter: Reporter,
    *,
    measure: bool = False,
) -> Preparation:
    """Ask the store which rows are pending, and prepare each backbone that has some. Stores nothing.

    Parameters
    ----------
    decoder : Decoder
        Decodes the images of the dataset.
    rows : DatasetRows
        The rows of the dataset.
    backbones : sequence of CheckedBackbone
        The backbones.
    store : FeatureStore
        The store.
    reporter : Reporter
        Receives the messages of backbones, and why features that are stored are not used.
    measure : bool
        Measure the speed of backbones that do not report it. The features computed for that are
        discarded.

    Raises
    ------
    ExtractionError
        If a backbone fails.
    ImageError
        If an image fails and the decoder is strict.

    """
    pending = [store.pending(backbone.key, rows) for backbone in backbones]
    pairs = list(zip(backbones, pending, strict=True))
    shared = _passes(pairs)
    for each, union in shared.items():
        each.backbone.expect(len(union))  # before decoding: a backbone may start something meanwhile
    sizes = {backbone.image_size for backbone, left in pairs if left}
    # Decoded in all sizes at once, because `extract` uses the same chunks for every backbone.
    decoded = list(_decode_one_for_each(decoder, pending, sorted(sizes)))
    readable = {row for chunk in decoded for row in chunk.rows}
    for backbone, left in pairs:
        if left and (reason := reason_to_recompute(backbone, rows, store)):
            reporter.message(reason)
    ready = {
        each: _prepare(each, decoded, reporter, measure=measure)
        for each, union in shared.items()
        # One whose images all fail will compute nothing.
        if not readable.isdisjoint(union)
    }
    of_member = {id(member): each for each in shared for member in each.members}
    prepared = []
    for backbone, left in pairs:
        each = of_member.get(id(backbone)) or Pass(members=(backbone,), backbone=backbone)
        readiness, provenance = ready.get(each, DEFAULT_READINESS), dict[str, Any]()
        # A backbone whose pending images all fail must not be recorded as an origin of rows, whether or
        # not others of its pass compute some.
        if not readable.isdisjoint(left):
            runtime = {"runtime": readiness.settings} if readiness.settings else {}
            provenance = {**backbone.provenance, **runtime}
        prepared.append(
            PreparedBackbone(
                backbone=backbone, readiness=readiness, pending=left, provenance=provenance, shared=each
            )
        )
    return Preparation(backbones=prepared, decoded=decoded)


def _passes(pairs: Sequence[tuple[CheckedBackbone, list[int]]]) -> dict[Pass, frozenset[int]]:
    """Return the passes of backbones that have pending rows, with the rows that any member needs."""
    shared = passes([backbone for backbone, left in pairs if left])
    pending = {id(backbone): left for backbone, left in pairs}
    return {
        each: frozenset().union(*(pending[id(member)] for member in each.members)) for each in shared
    }


def _prepare(shared: Pass, decoded: Sequence[Chunk], reporter: Reporter, *, measure: bool) -> Readiness:
    backbone = shared.backbone
    images = _sample_images(decoded, backbone.image_size)
    readiness = backbone.prepare(images, reporter.message)
    if measure and readiness.images_per_s is None:
        readiness = replace(readiness, images_per_s=backbone.images_per_s(images))
    return readiness


def estimate_backbone(
    prepared: PreparedBackbone, rows: DatasetRows, store: FeatureStore
) -> BackboneEstimate:
    """Return what a prepared backbone needs to compute its pending rows."""
    key = prepared.backbone.key
    exists = store.path(key, rows).exists()
    return BackboneEstimate(
        label=prepared.backbone.label,
        images=len(prepared.pending),
        images_per_s=_share_of_pass(prepared),
        new_bytes=0 if exists else store.row_bytes(key.feature_dim) * len(rows.samples),
    )


def _share_of_pass(prepared: PreparedBackbone) -> float | None:
    """Return the speed at which the times of all members add up to that of their pass."""
    rate = prepared.readiness.images_per_s
    return rate and rate * len(prepared.shared.members)


def _sample_images(decoded: Sequence[Chunk], size: int) -> NDArray[np.uint8]:
    return max(decoded, key=lambda chunk: len(chunk.rows)).pixels[size]


def _decode_one_for_each(
    decoder: Decoder, pending: Sequence[Sequence[int]], sizes: Sequence[int]
) -> Iterator[Chunk]:
    """Decode images until each backbone has a pending one that is readable, or all have been tried."""
    tried, readable = set[int](), set[int]()
    # The backbone with most pending rows first: its first chunk often contains images of all others,
    # and the larger the chunk, the better the backbones can measure their speed.
    for left in sorted(pending, key=len, reverse=True):
        for start in range(0, len(left), SAMPLE_IMAGES):
            if not readable.isdisjoint(left):
                break
            numbers = [number for number in left[start : start + SAMPLE_IMAGES] if number not in tried]
            chunk = decoder.chunk(Request(numbers=numbers, sizes=sizes))
            tried.update(numbers)
            readable.update(chunk.rows)
            yield chunk
