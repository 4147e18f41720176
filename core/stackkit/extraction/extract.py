"""Dataset times backbones into the store: each image decoded once, each row computed once.

Decoding threads, the networks and a writing thread overlap; chunks in flight bound the memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import numpy as np

from stackkit.api.errors import ExtractionError, ImageError
from stackkit.api.types import Dataset, FailedImage, Reporter
from stackkit.extraction.backbone import CheckedBackbone
from stackkit.extraction.decoding import Chunk, Decoder, Request, reason
from stackkit.extraction.estimate import Estimate, free_bytes
from stackkit.extraction.preparation import Preparation, PreparedBackbone, foretold, prepare_backbones
from stackkit.extraction.vouching import try_out
from stackkit.extraction.writer import Writer
from stackkit.store import DatasetRows, FeatureFile, FeatureStore
from stackkit.store.vouched import state, vouch
from stackkit.utils.interrupts import ctrl_c_waits


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractionSummary:
    """What an extraction did: rows computed and rows reused per backbone label, failures."""

    computed: Mapping[str, int]
    reused: Mapping[str, int]
    failed: tuple[FailedImage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """A backbone, the file of its features, and the rows that the file lacks."""

    named: CheckedBackbone
    file: FeatureFile
    pending: frozenset[int]


def fingerprints(
    name: str, dataset: Dataset, reporter: Reporter
) -> tuple[DatasetRows, list[FailedImage]]:
    """Fingerprint every image; one that cannot even be read gets "" and a reason."""
    samples, prints, failed, task = dataset.samples, [], [], "reading images"
    reporter.start(task, len(samples))
    for index, sample in enumerate(samples):
        try:
            prints.append(dataset.fingerprint(index))
        except (OSError, ImageError) as error:
            prints.append("")
            failed.append(FailedImage(id=sample.id, reason=reason(error)))
        reporter.advance(task, 1)
    rows = DatasetRows(dataset=name, classes=dataset.classes, samples=samples, fingerprints=prints)
    return rows, failed


def foresee(
    dataset: Dataset,
    rows: DatasetRows,
    backbones: Sequence[CheckedBackbone],
    store: FeatureStore,
    reporter: Reporter,
    *,
    strict: bool = False,
) -> Estimate:
    """What an extraction would take; warms up what would work and keeps nothing."""
    with Decoder(dataset, rows.fingerprints, strict=strict) as decoder:
        warm = prepare_backbones(decoder, rows, backbones, store, reporter, measure=True)
    return _forecast(warm, rows, store)


def extract(
    dataset: Dataset,
    rows: DatasetRows,
    backbones: Sequence[CheckedBackbone],
    store: FeatureStore,
    reporter: Reporter,
    *,
    strict: bool = False,
    expect: Callable[[Estimate], None] = lambda forecast: None,
) -> ExtractionSummary:
    """Compute every row that the store lacks and commit it chunk by chunk.

    `expect` is told what is coming when every backbone has settled how it works. An image that
    cannot be decoded is listed in the summary and has no row; with `strict` it raises ImageError
    instead. Rows committed before any error, kill or Ctrl-C are kept; a first Ctrl-C lets the
    batch in flight finish. Raises StoreError if the disk has no room for the features.
    """
    while True:
        with Decoder(dataset, rows.fingerprints, strict=strict) as decoder, ExitStack() as files:
            warm = prepare_backbones(decoder, rows, backbones, store, reporter)
            forecast = _forecast(warm, rows, store)
            expect(forecast)
            forecast.require_room(store.folder)
            tasks = [_open(ready, rows, store, files) for ready in warm.backbones]
            if _are_foreseen(tasks, warm):
                for task in tasks:
                    try_out(task.named, task.file, task.pending, decoder, rows, reporter)
                failed = _carry_out(tasks, _chunks(decoder, warm, tasks), rows, reporter)
                for task in tasks:
                    if task.named.maker:
                        vouch(task.file, task.named.maker, state(task.file))
                return _summary(tasks, rows, failed)


def _forecast(warm: Preparation, rows: DatasetRows, store: FeatureStore) -> Estimate:
    return Estimate(
        backbones=tuple(foretold(ready, rows, store) for ready in warm.backbones),
        free_bytes=free_bytes(store.folder),
    )


def _open(ready: PreparedBackbone, rows: DatasetRows, store: FeatureStore, files: ExitStack) -> _Task:
    file = files.enter_context(store.open(ready.named.key, rows, ready.origin))
    # Asked again, for another process may have written since; now the file is locked.
    return _Task(named=ready.named, file=file, pending=frozenset(file.pending()))


def _are_foreseen(tasks: Sequence[_Task], warm: Preparation) -> bool:
    """Whether no row went between warm-up and lock, as when another process removes a file.

    A backbone that seemed to lack none has settled nothing, and no image was decoded for it.
    """
    pairs = zip(tasks, warm.backbones, strict=True)
    return all(task.pending.issubset(ready.pending) for task, ready in pairs)


def _chunks(decoder: Decoder, warm: Preparation, tasks: Sequence[_Task]) -> Iterator[Chunk]:
    """Every image that some backbone lacks, in order; those of the warm-up are decoded already."""
    here = {number for chunk in warm.decoded for number in chunk.numbers}
    while warm.decoded:
        yield warm.decoded.pop(0)
    todo = sorted(frozenset().union(*(task.pending for task in tasks)) - here)
    yield from decoder.chunks(_requests(todo, warm.chunk_size, tasks))


def _requests(todo: Sequence[int], size: int, tasks: Sequence[_Task]) -> Iterator[Request]:
    for start in range(0, len(todo), size):
        numbers = todo[start : start + size]
        sides = {t.named.backbone.image_size for t in tasks if not t.pending.isdisjoint(numbers)}
        yield Request(numbers=numbers, sizes=sorted(sides))


def _carry_out(
    tasks: Sequence[_Task], chunks: Iterator[Chunk], rows: DatasetRows, reporter: Reporter
) -> list[FailedImage]:
    """Chunk by chunk through every network and into the files; returns what could not be decoded."""
    failed: list[FailedImage] = []
    whole = _announce(tasks, rows, reporter)
    with Writer() as writer, ctrl_c_waits(reporter.message) as stop_if_asked:
        for chunk in chunks:
            failed += chunk.failed
            for task in tasks:
                stop_if_asked()
                _compute(task, chunk, rows, writer)
                done = len(task.pending.intersection(chunk.numbers))
                reporter.advance(task.named.label, done)
                if whole:
                    reporter.advance(whole, done)
    return failed


def _announce(tasks: Sequence[_Task], rows: DatasetRows, reporter: Reporter) -> str | None:
    """Start the progress of each backbone; returns the name of that of all, None if one is all."""
    readable = rows.n_readable
    for task in tasks:
        reporter.start(task.named.label, readable, readable - len(task.pending))
    if len(tasks) < 2:
        return None
    whole, left = f"all {len(tasks)} backbones", sum(len(task.pending) for task in tasks)
    reporter.start(whole, readable * len(tasks), readable * len(tasks) - left)
    return whole


def _compute(task: _Task, chunk: Chunk, rows: DatasetRows, writer: Writer) -> None:
    """Features of those images of a chunk that a backbone lacks, handed to the writer."""
    wanted = [place for place, row in enumerate(chunk.rows) if row in task.pending]
    if not wanted:
        return
    pixels = chunk.pixels[task.named.backbone.image_size]
    features = task.named.features(pixels if len(wanted) == len(chunk.rows) else pixels[wanted])
    numbers = [chunk.rows[place] for place in wanted]
    finite = np.isfinite(features).all(axis=1)
    if not finite.all():
        bad = rows.samples[numbers[int(np.argmin(finite))]].id
        raise ExtractionError(f"{task.named.blame} gave NaN or infinite features for {bad}")
    writer.submit(partial(task.file.write, numbers, features))


def _summary(
    tasks: Sequence[_Task], rows: DatasetRows, failed: Sequence[FailedImage]
) -> ExtractionSummary:
    broken = {failure.id for failure in failed}
    return ExtractionSummary(
        computed={
            task.named.label: sum(rows.samples[row].id not in broken for row in task.pending)
            for task in tasks
        },
        reused={task.named.label: rows.n_readable - len(task.pending) for task in tasks},
        failed=tuple(failed),
    )
