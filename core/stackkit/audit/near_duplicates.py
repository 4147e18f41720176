"""Find images that are nearly the same: similar features, confirmed by a perceptual hash."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stackkit.api.reporter import Reporter
from stackkit.audit.findings import Finding
from stackkit.audit.hashes import Hashes
from stackkit.audit.measures import Measures
from stackkit.audit.neighbours import Neighbours, nearest_images
from stackkit.audit.subject import Subject

LEAST_SIMILARITY, MOST_BITS = 0.75, 10
"""Least cosine of the features, and most bits of 64 in which the perceptual hashes may differ."""

SERIES_SIMILARITY, SERIES_BITS = 0.9, 16
"""The same for photographs from one series: features agree more, hashes may agree less."""

NEIGHBOURS = 10
"""Similar images that are compared with each image. The last one is taken for another image."""

PHOTOGRAPHS = 28
"""Bits in which the hashes of a photograph and of its tenth neighbour differ: the median of birds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two images that are nearly the same.

    Parameters
    ----------
    first, second : int
        Positions of the images, the lower one first.
    similarity : float
        Cosine of their features.
    bits : int or None
        Number of bits in which their hashes differ; None for identical files.

    """

    first: int
    second: int
    similarity: float
    bits: int | None


def near_duplicates(
    subject: Subject, measured: Sequence[Measures | None], reporter: Reporter
) -> list[Finding]:
    """Return a finding for each image but the first of each group of nearly equal images.

    Parameters
    ----------
    subject : Subject
        The images.
    measured : sequence of Measures or None
        Their measures, with perceptual hashes.
    reporter : Reporter
        Receives progress.

    """
    pairs = [*_identical(subject.fingerprints), *_similar(subject, measured, reporter)]
    groups = _groups(pairs, len(subject.rows))
    partners = dict[int, tuple[bool, float, int]]()
    kept = dict[tuple[int, int], Pair]()
    for pair in pairs:
        kept.setdefault((pair.first, pair.second), pair)  # identical files come first
        rank = (_is_serious(subject, pair), pair.similarity)
        for one, other in ((pair.first, pair.second), (pair.second, pair.first)):
            if one != groups[one]:
                partners[one] = max(partners.get(one, (False, -2.0, 0)), (*rank, other))
    sizes = np.bincount(groups)
    return [
        _finding(subject, kept[min(one, other), max(one, other)], one, int(sizes[groups[one]]))
        for one, (_, _, other) in sorted(partners.items())
    ]


def _identical(fingerprints: Sequence[str]) -> Iterator[Pair]:
    """Yield a pair of each copy of a file and its first one."""
    seen = dict[str, int]()
    for place, each in enumerate(fingerprints):
        if (first := seen.setdefault(each, place)) != place:
            yield Pair(first=first, second=place, similarity=1.0, bits=None)


def _similar(
    subject: Subject, measured: Sequence[Measures | None], reporter: Reporter
) -> Iterator[Pair]:
    """Yield pairs with similar features that the hashes confirm, each once."""
    found = nearest_images(subject.features, NEIGHBOURS, reporter)
    hashes = Hashes.of(measured)
    least, scale = _limits(found, hashes)
    one, column = np.nonzero(found.similarity >= least)
    other, similarity = found.rows[one, column], found.similarity[one, column]
    ordered = np.stack([np.minimum(one, other), np.maximum(one, other)])
    (first, second), at = np.unique(ordered, axis=1, return_index=True)
    similarity = np.minimum(similarity[at], 1)
    bits = hashes.differing(first, second)
    most = np.where(similarity >= max(SERIES_SIMILARITY, least), SERIES_BITS, MOST_BITS)
    confirmed = np.flatnonzero(bits <= most * scale)
    for k in confirmed:
        yield Pair(
            first=int(first[k]),
            second=int(second[k]),
            similarity=float(similarity[k]),
            bits=int(bits[k]),
        )


def _limits(found: Neighbours, hashes: Hashes) -> tuple[float, float]:
    """Return the least similarity of near-duplicates, and a factor of the most bits.

    Handwritten digits, or scans on one background, all have similar features and hashes. So a pair must
    be much more alike than an image and its tenth neighbour, which mostly is another image.
    """
    count, k = found.rows.shape
    if k == 0:
        return 1.0, 1.0
    gap = float(np.median(1 - found.similarity[:, -1]))
    typical = float(np.median(hashes.differing(np.arange(count), found.rows[:, -1])))
    # The square, because the number of hashes within some bits grows much faster than the bits.
    return max(LEAST_SIMILARITY, 1 - gap / 2), min(1.0, typical / PHOTOGRAPHS) ** 2


def _groups(pairs: Sequence[Pair], count: int) -> NDArray[np.int64]:
    """Return the first image of the group of each image, (count,) int64; pairs connect images."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ends = np.array([(each.first, each.second) for each in pairs], np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(count, count))
    _, group = connected_components(graph, directed=False)
    _, first = np.unique(group, return_index=True)
    roots: NDArray[np.int64] = first[group].astype(np.int64)
    return roots


def _is_serious(subject: Subject, pair: Pair) -> bool:
    """Return whether a pair is under two labels, or on both sides of the official split."""
    one, other = subject.sample(pair.first), subject.sample(pair.second)
    splits = {one.split, other.split} - {None}
    return one.label != other.label or len(splits) > 1


def _finding(subject: Subject, pair: Pair, place: int, size: int) -> Finding:
    other = pair.first if place == pair.second else pair.second
    alike = (
        "the same file"
        if pair.bits is None
        else f"features {pair.similarity:.3f} similar, {pair.bits} of 64 bits of the hash differ"
    )
    notes = [alike, *_notes(subject, place, other)]
    if size > 2:
        notes.append(f"a group of {size} images")
    # Pairs that do harm come before all others.
    score = (max(pair.similarity, 0) + _is_serious(subject, pair)) / 2
    return subject.finding(
        "near-duplicate", place, score, "; ".join(notes), other=subject.sample(other).id
    )


def _notes(subject: Subject, place: int, other: int) -> Iterator[str]:
    this, that = subject.sample(place), subject.sample(other)
    if this.label != that.label:
        yield f"the other one is labelled {subject.label(other)}"
    if this.split and that.split and this.split != that.split:
        yield f"one is in the official part {this.split}, the other one in {that.split}"
    if this.group is not None and this.group == that.group:
        yield "both are in one group"
