"""Dataset times backbones into the store: each image decoded once, each row computed once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from stackkit.errors import ExtractionError, ImageError, StackkitError
from stackkit.images import squash
from stackkit.store import BackboneKey, DatasetRows, FeatureFile, FeatureStore
from stackkit.types import Backbone, Dataset, FailedImage, Reporter

CHUNK = 32
"""Images decoded together; with two chunks in flight this bounds the memory for pixels."""

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedBackbone:
    """A backbone with the label users see and the qualified name that the store keys by."""

    label: str
    qualified_name: str
    backbone: Backbone
    provenance: Mapping[str, Any]

    @property
    def key(self) -> BackboneKey:
        """The store's key. Reading it may make the backbone download its weights."""
        return BackboneKey(
            name=self.qualified_name,
            revision=self.backbone.revision,
            image_size=self.backbone.image_size,
            feature_dim=self.backbone.feature_dim,
            trained=self.backbone.trained,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractionSummary:
    """What an extraction did: rows computed and rows reused per backbone label, failures."""

    computed: Mapping[str, int]
    reused: Mapping[str, int]
    failed: tuple[FailedImage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chunk:
    """Images asked for by `numbers`, those decoded as `rows`, pixels (len(rows), size, size, 3)."""

    numbers: Sequence[int]
    rows: list[int]
    pixels: dict[int, NDArray[np.uint8]]
    failed: list[FailedImage]


def fingerprints(
    name: str, dataset: Dataset, reporter: Reporter
) -> tuple[DatasetRows, list[FailedImage]]:
    """Fingerprint every image; one that cannot even be read gets "" and a reason."""
    samples, prints, failed = dataset.samples, [], []
    reporter.start("reading images", len(samples))
    for index, sample in enumerate(samples):
        try:
            prints.append(dataset.fingerprint(index))
        except (OSError, ImageError) as error:
            prints.append("")
            failed.append(FailedImage(id=sample.id, reason=_reason(error)))
        reporter.advance("reading images", 1)
    rows = DatasetRows(dataset=name, classes=dataset.classes, samples=samples, fingerprints=prints)
    return rows, failed


def extract(
    dataset: Dataset,
    rows: DatasetRows,
    backbones: Sequence[NamedBackbone],
    store: FeatureStore,
    reporter: Reporter,
    *,
    strict: bool = False,
) -> ExtractionSummary:
    """Compute every row that the store lacks and commit it chunk by chunk.

    An image that cannot be decoded is listed in the summary and has no row; with `strict` it
    raises ImageError instead. Rows committed before any error, kill or Ctrl-C are kept.
    """
    with ExitStack() as stack:
        files = [stack.enter_context(store.open(b.key, rows, b.provenance)) for b in backbones]
        pending = [file.pending() for file in files]
        readable = sum(1 for fingerprint in rows.fingerprints if fingerprint)
        for named, todo in zip(backbones, pending, strict=True):
            reporter.start(named.label, readable, readable - len(todo))
        lacking = [set(todo) for todo in pending]
        failed: list[FailedImage] = []
        for chunk in _decoded(dataset, lacking, [b.backbone.image_size for b in backbones]):
            if strict and chunk.failed:
                raise ImageError(f"{chunk.failed[0].id}: {chunk.failed[0].reason} (--strict stops here)")
            failed += chunk.failed
            for named, file, absent in zip(backbones, files, lacking, strict=True):
                _commit(named, file, chunk, absent, rows)
                reporter.advance(named.label, sum(row in absent for row in chunk.numbers))
    broken = {failure.id for failure in failed}
    return ExtractionSummary(
        computed={
            named.label: sum(rows.samples[row].id not in broken for row in todo)
            for named, todo in zip(backbones, pending, strict=True)
        },
        reused={b.label: readable - len(todo) for b, todo in zip(backbones, pending, strict=True)},
        failed=tuple(failed),
    )


def _commit(
    named: NamedBackbone, file: FeatureFile, chunk: _Chunk, todo: set[int], rows: DatasetRows
) -> None:
    """Send one chunk through one network and write its rows."""
    places = [place for place, row in enumerate(chunk.rows) if row in todo]
    if not places:
        return
    pixels = chunk.pixels[named.backbone.image_size]
    features = _features(named, pixels if len(places) == len(pixels) else pixels[places])
    numbers = [chunk.rows[place] for place in places]
    if not np.isfinite(features).all():
        bad = numbers[int(np.flatnonzero(~np.isfinite(features).all(axis=1))[0])]
        raise ExtractionError(f"{named.label} gave NaN or infinite features for {rows.samples[bad].id}")
    file.write(numbers, features)


def _features(named: NamedBackbone, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    try:
        features = named.backbone.extract(pixels)
    except StackkitError:
        raise
    except (Exception, SystemExit) as error:  # a stranger's backbone may fail in any way
        origin = named.provenance["component"]["distribution"]
        raise ExtractionError(
            f"{named.label} (from {origin}) failed: {type(error).__name__}: {error}"
        ) from error
    wanted = (len(pixels), named.backbone.feature_dim)
    if not isinstance(features, np.ndarray):
        raise ExtractionError(f"{named.label} must return a NumPy array and returned {type(features)}")
    if features.shape != wanted or features.dtype != np.float32:
        raise ExtractionError(
            f"{named.label} must return {wanted} float32 and returned {features.shape} {features.dtype}"
        )
    return features


def _decoded(dataset: Dataset, lacking: Sequence[set[int]], sizes: Sequence[int]) -> Iterator[_Chunk]:
    """Every row that some backbone lacks, in order, decoded ahead of use on other threads."""
    todo = sorted(set().union(*lacking))
    chunks = [todo[start : start + CHUNK] for start in range(0, len(todo), CHUNK)]

    def decode(numbers: list[int]) -> _Chunk:
        needed = {
            size for size, rows in zip(sizes, lacking, strict=True) if not rows.isdisjoint(numbers)
        }
        return _decode(dataset, numbers, sorted(needed))

    return _prefetch(decode, chunks)


def _decode(dataset: Dataset, numbers: Sequence[int], sizes: Sequence[int]) -> _Chunk:
    rows: list[int] = []
    failed: list[FailedImage] = []
    squares: dict[int, list[NDArray[np.uint8]]] = {size: [] for size in sizes}
    for row in numbers:
        try:
            image = dataset.image(row)
            made = [squash(image, size) for size in sizes]
        except (OSError, ImageError) as error:
            failed.append(FailedImage(id=dataset.samples[row].id, reason=_reason(error)))
            continue
        rows.append(row)
        for size, square in zip(sizes, made, strict=True):
            squares[size].append(square)
    pixels = {size: np.stack(found) for size, found in squares.items() if found}
    for array in pixels.values():
        array.flags.writeable = False  # backbones of one size share it; none may scale it in place
    return _Chunk(numbers=numbers, rows=rows, pixels=pixels, failed=failed)


def unreadable(dataset: Dataset, numbers: Iterable[int]) -> list[FailedImage]:
    """Those of the images that cannot be decoded, with the reason."""
    return [failure for row in numbers for failure in _decode(dataset, [row], []).failed]


def _prefetch(work: Callable[[T], R], items: Sequence[T], ahead: int = 2) -> Iterator[R]:
    """work(item) for each item, in order, with at most `ahead` results waiting."""
    pool = ThreadPoolExecutor(max_workers=ahead, thread_name_prefix="stackkit-decode")
    waiting: deque[Future[R]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _reason(error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__
