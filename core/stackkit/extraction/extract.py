"""Compute the features of a dataset for several backbones and store them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack

import numpy as np

from stackkit.api.dataset import Dataset, FailedImage
from stackkit.api.errors import ImageError
from stackkit.api.executor import Executor
from stackkit.api.reporter import Reporter
from stackkit.extraction.backbone import CheckedBackbone
from stackkit.extraction.compute import Computer, Task, compute_all, open_tasks
from stackkit.extraction.dataset import CheckedDataset
from stackkit.extraction.decoding import Decoder
from stackkit.extraction.estimate import Estimate, free_bytes
from stackkit.extraction.in_this_process import ThisProcess
from stackkit.extraction.network_seconds import NetworkSeconds
from stackkit.extraction.on_workers.computer import Workers
from stackkit.extraction.on_workers.fingerprints import (
    FEW,
    dataset_job,
    fingerprint_of,
    fingerprints_on_workers,
)
from stackkit.extraction.preparation import Preparation, estimate_set, prepare_backbones
from stackkit.extraction.summary import ExtractionSummary
from stackkit.store import DatasetRows, FeatureStore


def fingerprints(
    name: str, dataset: Dataset, reporter: Reporter, executor: Executor | None = None
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
    executor : Executor or None
        Workers that read the images; None for this process.

    Returns
    -------
    rows : DatasetRows
        The rows, with "" as the fingerprint of images that cannot be read.
    failed : list of FailedImage
        Those images, with reasons.

    """
    samples, failed, task = dataset.samples, list[FailedImage](), "reading images"
    found = [""] * len(samples)
    reporter.start(task, len(samples))
    for numbers, each in _fingerprints(dataset, executor):
        for number, one in zip(numbers, each, strict=True):
            if isinstance(one, ImageError):
                failed.append(FailedImage(id=samples[number].id, reason=str(one)))
            else:
                found[number] = one
        reporter.advance(task, len(numbers))
    if failed:  # in the order of the dataset, whatever came first
        broken = {failure.id: failure for failure in failed}
        failed = [broken[sample.id] for sample in samples if sample.id in broken]
    rows = DatasetRows(
        dataset=name,
        classes=dataset.classes,
        samples=samples,
        fingerprints=found,
        shard=getattr(dataset, "shard", None),
    )
    return rows, failed


def _fingerprints(
    dataset: Dataset, executor: Executor | None
) -> Iterator[tuple[range, Sequence[str | ImageError]]]:
    """Yield ranges of images with their fingerprints, or why they cannot be read, in any order."""
    if (
        executor
        and not executor.in_process
        and isinstance(dataset, CheckedDataset)
        and len(dataset.samples) >= FEW
    ):
        yield from fingerprints_on_workers(dataset, executor)
        return
    for number in range(len(dataset.samples)):
        yield range(number, number + 1), [fingerprint_of(dataset, number)]


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
    executor: Executor | None = None,
) -> ExtractionSummary:
    """Compute every row that is not stored, and commit rows chunk by chunk.

    Rows that were committed before an error, a kill or Ctrl-C are kept. The first Ctrl-C lets the batch
    in the networks finish.

    Parameters
    ----------
    dataset, rows : Dataset, DatasetRows
        The dataset and its rows, from `fingerprints`.
    backbones : sequence of CheckedBackbone
        Backbones with available weights.
    store, reporter : FeatureStore, Reporter
        Receive the features, and progress and messages.
    strict : bool
        Raise ImageError for the first unreadable or damaged image instead of listing it.
    expect : callable
        Called with the estimate when every backbone is prepared, before anything is stored.
    executor : Executor or None
        Workers that compute; None for this process.

    Returns
    -------
    ExtractionSummary
        Numbers of rows by backbone, and the images that failed, which have no row.

    Raises
    ------
    StoreError
        If the disk has too little space, or the store cannot be written.
    ExtractionError
        If a backbone fails, returns something invalid, or mixes the features of different images.

    """
    if workers := _workers(executor, dataset, rows, backbones, store, reporter, strict=strict):
        return _extract(workers, rows, store, reporter, expect)
    with Decoder(dataset, rows.fingerprints, strict=strict) as decoder:
        here = ThisProcess(decoder, rows, backbones, store, reporter)
        return _extract(here, rows, store, reporter, expect)


def _workers(
    executor: Executor | None,
    dataset: Dataset,
    rows: DatasetRows,
    backbones: Sequence[CheckedBackbone],
    store: FeatureStore,
    reporter: Reporter,
    *,
    strict: bool,
) -> Workers | None:
    """Return what computes on workers; None if this process does."""
    if executor is None or executor.in_process:
        return None
    if not isinstance(dataset, CheckedDataset) or not all(each.component for each in backbones):
        return None  # workers cannot make what was not made from names and options
    return Workers(
        executor=executor,
        dataset=dataset_job(dataset),
        backbones=backbones,
        rows=rows,
        store=store,
        reporter=reporter,
        strict=strict,
    )


def _extract(
    computer: Computer,
    rows: DatasetRows,
    store: FeatureStore,
    reporter: Reporter,
    expect: Callable[[Estimate], None],
) -> ExtractionSummary:
    while True:
        preparation = computer.prepare()
        _check(computer, preparation, rows, store, expect)
        with ExitStack() as files:
            tasks = open_tasks(preparation, rows, store, files)
            if _is_prepared(tasks, preparation):
                clock = NetworkSeconds(folder=store.folder)
                files.callback(clock.save)  # also of an extraction that is interrupted
                return compute_all(computer, preparation, tasks, rows, clock, reporter)


def _is_prepared(tasks: Sequence[Task], preparation: Preparation) -> bool:
    # The files are locked only when the tasks are open. If another process has removed rows since the
    # preparation, backbones that seemed to have nothing to compute are not prepared: start again. If it
    # has added rows, there is less to do.
    pairs = zip(tasks, preparation.sets, strict=True)
    return all(np.isin(np.flatnonzero(task.pending), prepared.pending).all() for task, prepared in pairs)


def _estimate(preparation: Preparation, rows: DatasetRows, store: FeatureStore) -> Estimate:
    return Estimate(
        backbones=tuple(estimate_set(each, rows, store) for each in preparation.sets),
        free_bytes=free_bytes(store.folder),
    )


def _check(
    computer: Computer,
    preparation: Preparation,
    rows: DatasetRows,
    store: FeatureStore,
    expect: Callable[[Estimate], None],
) -> None:
    """Raise what must be raised before any file is created, so that nothing refused is stored."""
    estimate = _estimate(preparation, rows, store)
    expect(estimate)
    estimate.require_space(store.folder)
    computer.check_backbones(preparation)
