"""Find out what an extraction has to compute, and prepare the backbones for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit.api.backbone import Readiness
from stackkit.api.reporter import Reporter
from stackkit.extraction.backbone import CheckedBackbone
from stackkit.extraction.changed_code import reason_to_recompute
from stackkit.extraction.decoding import Chunk, Decoder
from stackkit.extraction.estimate import BackboneEstimate
from stackkit.extraction.feature_set import FeatureSet, feature_sets, needed, only_for_boxes
from stackkit.extraction.passes import Pass
from stackkit.extraction.readiness import DEFAULT_READINESS
from stackkit.extraction.ready_networks import (
    SAMPLE_IMAGES,
    ReadyNetworks,
    ready_networks,
    sample_images,
)
from stackkit.store import DatasetRows, FeatureStore


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
        return sample_images(self.decoded, backbone)


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
    say_why(sets, pending, rows, store, reporter)
    networks = ready_networks(decoder, sets, pending, reporter.message, measure=measure)
    prepared = prepared_sets(sets, pending, networks)
    return Preparation(sets=prepared, hidden=hidden, decoded=networks.decoded)


def say_why(
    sets: Sequence[FeatureSet],
    pending: Mapping[str, Sequence[int]],
    rows: DatasetRows,
    store: FeatureStore,
    reporter: Reporter,
) -> None:
    """Tell the user why features that are stored are not used."""
    for one in sets:
        if pending[one.label] and (reason := reason_to_recompute(one, rows, store)):
            reporter.message(reason)


def pending_sets(
    rows: DatasetRows, backbones: Sequence[CheckedBackbone], store: FeatureStore
) -> tuple[list[FeatureSet], dict[str, list[int]], Set[str]]:
    """Return the sets that are needed, the rows to compute of each, and the boxes only for views."""
    sets = feature_sets(backbones)
    hidden = only_for_boxes(sets, backbones)
    pending = needed(sets, {each.label: store.pending(each.key, rows) for each in sets}, hidden)
    return [each for each in sets if each.label in pending], pending, hidden


def prepared_sets(
    sets: Sequence[FeatureSet], pending: Mapping[str, list[int]], networks: ReadyNetworks
) -> list[PreparedSet]:
    """Combine the sets with the passes that compute them and with how their backbones work."""
    of_member = {id(member): each for each in networks.passes for member in each.members}
    together = Counter((of_member[id(one.backbone)], one.geometry) for one in sets if pending[one.label])
    prepared = []
    for one in sets:
        backbone, left = one.backbone, pending[one.label]
        shared = of_member.get(id(backbone)) or Pass(members=(backbone,), backbone=backbone)
        readiness, provenance = networks.readiness.get(shared, DEFAULT_READINESS), dict[str, Any]()
        # A set whose pending images all fail must not be recorded as an origin of rows, whether or not
        # its pass computes some for others.
        if not networks.readable.isdisjoint(left):
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


def estimate_set(prepared: PreparedSet, rows: DatasetRows, store: FeatureStore) -> BackboneEstimate:
    """Return what it takes to compute the pending rows of a feature set."""
    key, rate = prepared.feature_set.key, prepared.readiness.images_per_s
    return BackboneEstimate(
        label=prepared.feature_set.label,
        images=len(prepared.pending),
        # The speed at which the times of all sets of a pass add up to that of the pass.
        images_per_s=rate and rate * prepared.sharing,
        new_bytes=store.missing_bytes(key, rows),
    )
