"""Get networks ready to compute: group the sets that they share, and let each choose how to work."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stackkit.api.backbone import Readiness
from stackkit.extraction.backbone import CheckedBackbone
from stackkit.extraction.decoding import Chunk, Decoder, Request
from stackkit.extraction.feature_set import FeatureSet, whole_geometry
from stackkit.extraction.geometry import Geometry
from stackkit.extraction.passes import Pass, passes

SAMPLE_IMAGES = 32
"""Number of images of the dataset that backbones are prepared with, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyNetworks:
    """Networks that are ready to compute pending rows.

    Parameters
    ----------
    passes : list of Pass
        Everything that computes.
    readiness : mapping of Pass to Readiness
        How each works that is prepared; one whose images cannot be decoded is not.
    decoded : list of Chunk
        The images that they were prepared with, and those that failed.
    readable : set of int
        The images in `decoded` that did not fail.

    """

    passes: list[Pass]
    readiness: dict[Pass, Readiness]
    decoded: list[Chunk]
    readable: Set[int]


def ready_networks(
    decoder: Decoder,
    sets: Sequence[FeatureSet],
    pending: Mapping[str, Sequence[int]],
    report: Callable[[str], None],
    *,
    expected: Callable[[Pass], int] | None = None,
    measure: bool = False,
) -> ReadyNetworks:
    """Group the sets by the networks that compute them, and prepare these.

    Parameters
    ----------
    decoder : Decoder
        What decodes the images of the dataset.
    sets : sequence of FeatureSet
        The sets.
    pending : mapping of str to sequence of int
        Rows to compute, by label of the set.
    report : callable
        Receives the messages of backbones.
    expected : callable, optional
        How many images a network will compute; by default all that are pending.
    measure : bool
        Measure the speed of backbones that do not report it, with features that are discarded.

    """
    work = work_of(sets, pending)
    for each, by_geometry in work.items():
        # Before decoding: a backbone may start something meanwhile.
        each.backbone.expect(expected(each) if expected else sum(map(len, by_geometry.values())))
    # In all geometries at once, because the same chunks are used for every set.
    lefts = [pending[one.label] for one in sets]
    decoded = list(_decode_one_for_each(decoder, lefts, _known_geometries(sets, pending)))
    readable = {row for chunk in decoded for row in chunk.rows}
    ready = {
        each: _prepare(each, decoded, report, measure=measure)
        for each, by_geometry in work.items()
        # One whose images all fail will compute nothing.
        if not readable.isdisjoint(set().union(*by_geometry.values()))
    }
    return ReadyNetworks(passes=list(work), readiness=ready, decoded=decoded, readable=readable)


def work_of(
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


def _prepare(
    shared: Pass, decoded: Sequence[Chunk], report: Callable[[str], None], *, measure: bool
) -> Readiness:
    backbone = shared.backbone
    images = sample_images(decoded, backbone)
    readiness = backbone.prepare(images, report)
    if measure and readiness.images_per_s is None:
        readiness = replace(readiness, images_per_s=backbone.images_per_s(images))
    return readiness


def sample_images(decoded: Sequence[Chunk], backbone: CheckedBackbone) -> NDArray[np.uint8]:
    """Return the (n, size, size, 3) uint8 whole images that a backbone is prepared with."""
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
