"""Compute the features of a dataset for several backbones and store them.

Decoding threads, the networks and a writing thread run at the same time; the number of chunks between
them is limited, and with it the memory.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from stackkit.api.errors import ExtractionError, ImageError
from stackkit.api.types import Dataset, FailedImage, Reporter
from stackkit.extraction.backbone import CheckedBackbone
from stackkit.extraction.decoding import Chunk, Decoder, Remarks, Request, damaged, reason
from stackkit.extraction.estimate import Estimate, free_bytes
from stackkit.extraction.network_pass import Pass
from stackkit.extraction.preparation import (
    Preparation,
    PreparedBackbone,
    estimate_backbone,
    prepare_backbones,
)
from stackkit.extraction.row_independence import require_independent_rows
from stackkit.extraction.writer import Writer
from stackkit.store import DatasetRows, FeatureFile, FeatureStore
from stackkit.utils.interrupts import ctrl_c_waits


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractionSummary:
    """What an extraction did.

    Parameters
    ----------
    computed, reused : mapping of str to int
        Number of rows computed, and of rows that were stored already, by backbone label.
    failed : tuple of FailedImage
        Images without a row.
    remarks : mapping of str to tuple of ImageRemark
        What is special about images, by id. `extract` returns those of images that it decoded.
    notes : tuple of str
        What else the user must know about the features.

    """

    computed: Mapping[str, int]
    reused: Mapping[str, int]
    failed: tuple[FailedImage, ...]
    remarks: Mapping[str, Remarks] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def suspect(self) -> tuple[FailedImage, ...]:
        """Images that have a row, although their data are damaged, with reasons."""
        return tuple(damaged(self.remarks))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """A backbone, its open feature file, the rows to compute, and the pass that computes them."""

    backbone: CheckedBackbone
    file: FeatureFile
    pending: frozenset[int]
    shared: Pass


def fingerprints(
    name: str, dataset: Dataset, reporter: Reporter
) -> tuple[DatasetRows, list[FailedImage]]:
    """Compute the fingerprint of every image.

    Parameters
    ----------
    name : str
        Canonical text of the dataset with its options.
    dataset : Dataset
        The dataset.
    reporter : Reporter
        Receives progress.

    Returns
    -------
    rows : DatasetRows
        The rows, with "" as the fingerprint of images that cannot be read.
    failed : list of FailedImage
        Those images, with reasons.

    """
    samples, found, failed, task = dataset.samples, [], [], "reading images"
    reporter.start(task, len(samples))
    for index, sample in enumerate(samples):
        try:
            found.append(dataset.fingerprint(index))
        except (OSError, ImageError) as error:
            found.append("")
            failed.append(FailedImage(id=sample.id, reason=reason(error)))
        reporter.advance(task, 1)
    rows = DatasetRows(dataset=name, classes=dataset.classes, samples=samples, fingerprints=found)
    return rows, failed


def estimate_extraction(
    dataset: Dataset,
    rows: DatasetRows,
    backbones: Sequence[CheckedBackbone],
    store: FeatureStore,
    reporter: Reporter,
    *,
    strict: bool = False,
) -> Estimate:
    """Return what `extract` with the same arguments would need. Prepares backbones, stores nothing."""
    with Decoder(dataset, rows.fingerprints, strict=strict) as decoder:
        preparation = prepare_backbones(decoder, rows, backbones, store, reporter, measure=True)
    return _estimate(preparation, rows, store)


def extract(
    dataset: Dataset,
    rows: DatasetRows,
    backbones: Sequence[CheckedBackbone],
    store: FeatureStore,
    reporter: Reporter,
    *,
    strict: bool = False,
    expect: Callable[[Estimate], None] = lambda estimate: None,
) -> ExtractionSummary:
    """Compute every row that is not stored, and commit rows chunk by chunk.

    Parameters
    ----------
    dataset : Dataset
        The dataset.
    rows : DatasetRows
        Its rows, from `fingerprints`.
    backbones : sequence of CheckedBackbone
        Backbones with available weights.
    store : FeatureStore
        Where to store the features.
    reporter : Reporter
        Receives progress and messages.
    strict : bool
        Raise ImageError for the first image that cannot be decoded or is damaged, instead of listing it
        in the summary.
    expect : callable
        Called with the estimate when every backbone is prepared, before anything is stored.

    Returns
    -------
    ExtractionSummary
        Numbers of rows by backbone, and the images that failed. They have no row.

    Raises
    ------
    StoreError
        If the disk has too little space, or the store cannot be written.
    ExtractionError
        If a backbone fails, returns something invalid, or mixes the features of different images.

    Notes
    -----
    Rows that were committed before an error, a kill or Ctrl-C are kept. The first Ctrl-C lets the batch
    in the networks finish.

    """
    while True:
        with Decoder(dataset, rows.fingerprints, strict=strict) as decoder, ExitStack() as files:
            preparation = prepare_backbones(decoder, rows, backbones, store, reporter)
            estimate = _estimate(preparation, rows, store)
            expect(estimate)
            estimate.require_space(store.folder)
            _check_row_independence(preparation)
            tasks = [_open(prepared, rows, store, files) for prepared in preparation.backbones]
            # The files are locked only now. If another process has removed rows since the preparation,
            # backbones that seemed to have nothing to compute are not prepared: start again. If it has
            # added rows, there is less to do.
            pairs = zip(tasks, preparation.backbones, strict=True)
            if all(task.pending.issubset(prepared.pending) for task, prepared in pairs):
                chunks = _chunks(decoder, preparation, tasks)
                return _summary(tasks, rows, *_compute_all(tasks, chunks, rows, reporter))


def _estimate(preparation: Preparation, rows: DatasetRows, store: FeatureStore) -> Estimate:
    return Estimate(
        backbones=tuple(estimate_backbone(each, rows, store) for each in preparation.backbones),
        free_bytes=free_bytes(store.folder),
    )


def _check_row_independence(preparation: Preparation) -> None:
    # Before any file is created, so that nothing of a backbone that is refused is stored. Only
    # third-party backbones have a code digest; stackkit's tests check its own ones.
    shared = {each.shared: each for each in preparation.backbones if each.provenance}
    for each in shared:
        if each.backbone.code:
            images = preparation.sample_images(each.backbone.image_size)
            require_independent_rows(each.backbone, images)


def _open(prepared: PreparedBackbone, rows: DatasetRows, store: FeatureStore, files: ExitStack) -> _Task:
    # The pending rows are determined again under the lock: another process may have written some.
    file = store.open(prepared.backbone.key, rows, prepared.provenance)
    files.enter_context(file)
    return _Task(
        backbone=prepared.backbone,
        file=file,
        pending=frozenset(file.pending()),
        shared=prepared.shared,
    )


def _chunks(decoder: Decoder, preparation: Preparation, tasks: Sequence[_Task]) -> Iterator[Chunk]:
    """Yield every image that is pending for some backbone; those decoded for the preparation first."""
    decoded = {number for chunk in preparation.decoded for number in chunk.numbers}
    while preparation.decoded:
        yield preparation.decoded.pop(0)  # removed from the list, so that its memory is freed
    todo = sorted(frozenset().union(*(task.pending for task in tasks)) - decoded)
    yield from decoder.chunks(_requests(todo, preparation.chunk_size, tasks))


def _requests(todo: Sequence[int], size: int, tasks: Sequence[_Task]) -> Iterator[Request]:
    for start in range(0, len(todo), size):
        # Only the sizes that are needed: for most chunks, some backbones may have all rows already.
        numbers = todo[start : start + size]
        sides = {t.backbone.image_size for t in tasks if not t.pending.isdisjoint(numbers)}
        yield Request(numbers=numbers, sizes=sorted(sides))


def _compute_all(
    tasks: Sequence[_Task], chunks: Iterator[Chunk], rows: DatasetRows, reporter: Reporter
) -> tuple[list[FailedImage], dict[str, Remarks]]:
    """Pass each chunk through every network and store the results.

    Returns the images that failed, and the remarks on the others.
    """
    failed, remarks = list[FailedImage](), dict[str, Remarks]()
    whole = _start_progress(tasks, rows, reporter)
    # Ctrl-C is checked between two batches only, and the writer is left last: a batch that was computed
    # is stored before KeyboardInterrupt ends the extraction.
    with Writer() as writer, ctrl_c_waits(reporter.message) as stop_if_asked:
        # All backbones advance together, chunk by chunk, so that each image is decoded once only.
        for chunk in chunks:
            failed += chunk.failed
            remarks |= chunk.remarks
            for together in _by_pass(tasks):
                stop_if_asked()
                _compute(together, chunk, rows, writer)
                for task in together:
                    done = len(task.pending.intersection(chunk.numbers))
                    reporter.advance(task.backbone.label, done)
                    if whole:
                        reporter.advance(whole, done)
    return failed, remarks


def _by_pass(tasks: Sequence[_Task]) -> list[list[_Task]]:
    """Group tasks by the pass that computes them; in the order of the pass's members."""
    groups = defaultdict[Pass, list[_Task]](list)
    for task in tasks:
        groups[task.shared].append(task)
    return list(groups.values())


def _start_progress(tasks: Sequence[_Task], rows: DatasetRows, reporter: Reporter) -> str | None:
    """Start a task per backbone, and one for all if there are several; return the name of the latter."""
    readable = rows.n_readable
    for task in tasks:
        reporter.start(task.backbone.label, readable, readable - len(task.pending))
    if len(tasks) < 2:
        return None
    whole, left = f"all {len(tasks)} backbones", sum(len(task.pending) for task in tasks)
    reporter.start(whole, readable * len(tasks), readable * len(tasks) - left)
    return whole


def _compute(together: Sequence[_Task], chunk: Chunk, rows: DatasetRows, writer: Writer) -> None:
    """Compute the pending rows of a chunk for the backbones of one pass, and pass them to the writer."""
    # A row that is pending for some of the backbones only is computed for all, and written for these.
    pending = frozenset().union(*(task.pending for task in together))
    places = [place for place, row in enumerate(chunk.rows) if row in pending]
    if not places:
        return
    shared = together[0].shared
    pixels = chunk.pixels[shared.backbone.image_size]
    # Indexing copies the pixels, which is not necessary if all of them are pending.
    found = shared.features(pixels if len(places) == len(chunk.rows) else pixels[places])
    numbers = [chunk.rows[place] for place in places]
    for task, features in zip(together, found, strict=True):
        _write(task, numbers, features, rows, writer)


def _write(
    task: _Task,
    numbers: Sequence[int],
    features: NDArray[np.float32],
    rows: DatasetRows,
    writer: Writer,
) -> None:
    """Pass the features of images to the writer, of those that are pending for this backbone."""
    own = [place for place, row in enumerate(numbers) if row in task.pending]
    if not own:
        return
    if len(own) < len(numbers):
        numbers, features = [numbers[place] for place in own], features[own]
    finite = np.isfinite(features).all(axis=1)
    if not finite.all():
        bad = rows.samples[numbers[int(np.argmin(finite))]].id
        raise ExtractionError(f"{task.backbone.full_name} returned NaN or infinite features for {bad}")
    # partial and not a lambda: arguments are bound now, before the next chunk replaces them.
    writer.submit(partial(task.file.write, numbers, features))


def _summary(
    tasks: Sequence[_Task],
    rows: DatasetRows,
    failed: Sequence[FailedImage],
    remarks: Mapping[str, Remarks],
) -> ExtractionSummary:
    # Pending rows of images that failed were not computed.
    broken = {failure.id for failure in failed}
    return ExtractionSummary(
        computed={
            task.backbone.label: sum(rows.samples[row].id not in broken for row in task.pending)
            for task in tasks
        },
        reused={task.backbone.label: rows.n_readable - len(task.pending) for task in tasks},
        failed=tuple(failed),
        remarks=remarks,
    )
