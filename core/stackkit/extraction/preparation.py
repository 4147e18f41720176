"""Find out what an extraction has to compute, and prepare the backbones for it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit.api.backbone import Readiness
from stackkit.api.reporter import Reporter
from stackkit.extraction.backbone import DEFAULT_READINESS, CheckedBackbone
from stackkit.extraction.changed_code import reason_to_recompute
from stackkit.extraction.decoding import Chunk, Decoder, Request
from stackkit.extraction.estimate import BackboneEstimate
from stackkit.extraction.feature_set import (
    FeatureSet,
    feature_sets,
    needed,
    only_for_boxes,
    whole_geometry,
)
from stackkit.extraction.geometry import Geometry
from stackkit.extraction.passes import Pass, passes
from stackkit.store import DatasetRows, FeatureStore

SAMPLE_IMAGES = 32
"""Number of images of the dataset that backbones are prepared with, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedSet:
    """A feature set whose backbone is ready to compute its pending rows.

    Parameters
    ----------
    feature_set : FeatureSet
        The set.
    readiness : Readiness
        How its backbone works: settings, batch size, speed.
    pending : list of int
        Rows to compute, in order.
    provenance : mapping
        Origin of those rows, a JSON object. Empty if there are none, or none of their images can be
        decoded.
    shared : Pass
        What computes the rows, maybe together with those of other backbones.
    sharing : int
        How many sets the pass computes at the same time, >= 1: those with pending rows of one geometry.

    """

    feature_set: FeatureSet
    readiness: Readiness
    pending: list[int]
    provenance: Mapping[str, Any]
    shared: Pass
    sharing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """All feature sets prepared, and the images that were decoded for that.

    Parameters
    ----------
    sets : list of PreparedSet
        The feature sets.
    hidden : set of str
        Labels of boxes that no learner uses, see `needed`.
    decoded : list of Chunk
        The decoded images. `extract` removes the chunks as it uses them, so their memory is freed.

    """

    sets: list[PreparedSet]
    hidden: Set[str]
    decoded: list[Chunk]

    @property
    def chunk_size(self) -> int:
        """Number of images to decode together: the largest batch size of a backbone, at least 32."""
        return max([SAMPLE_IMAGES, *(each.readiness.batch_size for each in self.sets)])

    def sample_images(self, backbone: CheckedBackbone) -> NDArray[np.uint8]:
        """Return the (n, size, size, 3) uint8 whole images that a backbone was prepared with.

        Call it before `extract` has removed the chunks, for a backbone with a provenance.
        """
        return _sample_images(self.decoded, backbone)


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
    decoder, rows : Decoder, DatasetRows
        What decodes the images of the dataset, and its rows.
    backbones : sequence of CheckedBackbone
        The backbones. One that computes several views is prepared once, with whole images.
    store : FeatureStore
        The store.
    reporter : Reporter
        Receives the messages of backbones, and why features that are stored are not used.
    measure : bool
        Measure the speed of backbones that do not report it, with features that are discarded.

    Raises
    ------
    ExtractionError or ImageError
        If a backbone fails, or an image fails and the decoder is strict.

    """
    sets, pending, hidden = pending_sets(rows, backbones, store)
    work = _work(sets, pending)
    for each, by_geometry in work.items():
        # Before decoding: a backbone may start something meanwhile.
        each.backbone.expect(sum(map(len, by_geometry.values())))
    # In all geometries at once, because `extract` uses the same chunks for every set.
    lefts = [pending[one.label] for one in sets]
    decoded = list(_decode_one_for_each(decoder, lefts, _known_geometries(sets, pending)))
    readable = {row for chunk in decoded for row in chunk.rows}
    for one in sets:
        if pending[one.label] and (reason := reason_to_recompute(one, rows, store)):
            reporter.message(reason)
    ready = {
        each: _prepare(each, decoded, reporter, measure=measure)
        for each, by_geometry in work.items()
        # One whose images all fail will compute nothing.
        if not readable.isdisjoint(set().union(*by_geometry.values()))
    }
    prepared = _prepared_sets(sets, pending, list(work), ready, readable)
    return Preparation(sets=prepared, hidden=hidden, decoded=decoded)


def pending_sets(
    rows: DatasetRows, backbones: Sequence[CheckedBackbone], store: FeatureStore
) -> tuple[list[FeatureSet], dict[str, list[int]], Set[str]]:
    """Return the sets that are needed, the rows to compute of each, and the boxes only for views."""
    sets = feature_sets(backbones)
    hidden = only_for_boxes(sets, backbones)
    pending = needed(sets, {each.label: store.pending(each.key, rows) for each in sets}, hidden)
    return [each for each in sets if each.label in pending], pending, hidden


def _prepared_sets(
    sets: Sequence[FeatureSet],
    pending: Mapping[str, list[int]],
    work: Sequence[Pass],
    ready: Mapping[Pass, Readiness],
    readable: Set[int],
) -> list[PreparedSet]:
    """Combine the sets with the passes that compute them and with how their backbones work."""
    of_member = {id(member): each for each in work for member in each.members}
    together = Counter((of_member[id(one.backbone)], one.geometry) for one in sets if pending[one.label])
    prepared = []
    for one in sets:
        backbone, left = one.backbone, pending[one.label]
        shared = of_member.get(id(backbone)) or Pass(members=(backbone,), backbone=backbone)
        readiness, provenance = ready.get(shared, DEFAULT_READINESS), dict[str, Any]()
        # A set whose pending images all fail must not be recorded as an origin of rows, whether or not
        # its pass computes some for others.
        if not readable.isdisjoint(left):
            runtime = {"runtime": readiness.settings} if readiness.settings else {}
            provenance = {**one.provenance, **runtime}
        prepared.append(
            PreparedSet(
                feature_set=one,
                readiness=readiness,
                pending=left,
                provenance=provenance,
                shared=shared,
                sharing=max(together[shared, one.geometry], 1),
            )
        )
    return prepared


def _work(
    sets: Sequence[FeatureSet], pending: Mapping[str, Sequence[int]]
) -> dict[Pass, dict[Geometry, set[int]]]:
    """Return the passes that have something to compute, with the rows of each geometry."""
    active = [one for one in sets if pending[one.label]]
    found: dict[Pass, dict[Geometry, set[int]]] = {}
    for each in passes(list({id(one.backbone): one.backbone for one in active}.values())):
        found[each] = defaultdict(set)
        for one in active:
            if any(one.backbone is member for member in each.members):
                found[each][one.geometry].update(pending[one.label])
    return found


def _known_geometries(
    sets: Sequence[FeatureSet], pending: Mapping[str, Sequence[int]]
) -> list[Geometry]:
    """Return what can be decoded now: whole images for every backbone, and views without boxes."""
    active = [one for one in sets if pending[one.label]]
    found = [whole_geometry(one.backbone) for one in active]
    return list(dict.fromkeys([*found, *(one.geometry for one in active if not one.boxes)]))


def _prepare(shared: Pass, decoded: Sequence[Chunk], reporter: Reporter, *, measure: bool) -> Readiness:
    backbone = shared.backbone
    images = _sample_images(decoded, backbone)
    readiness = backbone.prepare(images, reporter.message)
    if measure and readiness.images_per_s is None:
        readiness = replace(readiness, images_per_s=backbone.images_per_s(images))
    return readiness


def estimate_set(prepared: PreparedSet, rows: DatasetRows, store: FeatureStore) -> BackboneEstimate:
    """Return what it takes to compute the pending rows of a feature set."""
    key, rate = prepared.feature_set.key, prepared.readiness.images_per_s
    exists = store.path(key, rows).exists()
    return BackboneEstimate(
        label=prepared.feature_set.label,
        images=len(prepared.pending),
        # The speed at which the times of all sets of a pass add up to that of the pass.
        images_per_s=rate and rate * prepared.sharing,
        new_bytes=0 if exists else store.row_bytes(key.feature_dim) * len(rows.samples),
    )


def _sample_images(decoded: Sequence[Chunk], backbone: CheckedBackbone) -> NDArray[np.uint8]:
    return max(decoded, key=lambda chunk: len(chunk.rows)).pixels[whole_geometry(backbone)]


def _decode_one_for_each(
    decoder: Decoder, pending: Sequence[Sequence[int]], geometries: Sequence[Geometry]
) -> Iterator[Chunk]:
    """Decode images until each set has a pending one that is readable, or all have been tried."""
    tried, readable = set[int](), set[int]()
    # The set with most pending rows first: its first chunk often contains images of all others,
    # and the larger the chunk, the better backbones can measure their speed.
    for left in sorted(pending, key=len, reverse=True):
        for start in range(0, len(left), SAMPLE_IMAGES):
            if not readable.isdisjoint(left):
                break
            numbers = [number for number in left[start : start + SAMPLE_IMAGES] if number not in tried]
            chunk = decoder.chunk(Request(numbers=numbers, geometries=geometries))
            tried.update(numbers)
            readable.update(chunk.rows)
            yield chunk
