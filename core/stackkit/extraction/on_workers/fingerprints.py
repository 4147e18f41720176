"""Compute fingerprints of images on workers."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence

from stackkit.api.dataset import Dataset
from stackkit.api.errors import ImageError
from stackkit.api.executor import Executor
from stackkit.execution.references import ComponentReference, host_settings
from stackkit.execution.tasks import Failed, carried_out
from stackkit.extraction.dataset import CheckedDataset
from stackkit.extraction.decoding import reason
from stackkit.extraction.on_workers.job import DatasetJob, digest_of
from stackkit.extraction.on_workers.preflight import require_same_dataset, require_same_versions
from stackkit.extraction.on_workers.session import dataset_of

FEW = 5000
"""Fewer images are read by this process before workers have started."""

AT_ONCE = 500
"""Images of a task, at most."""


def fingerprint_of(dataset: Dataset, number: int) -> str | ImageError:
    """Return the fingerprint of an image, or why it cannot be read."""
    try:
        return dataset.fingerprint(number)
    except (OSError, ImageError) as error:
        return ImageError(reason(error))


def fingerprints_on_workers(
    dataset: CheckedDataset, executor: Executor
) -> Iterator[tuple[range, Sequence[str | ImageError]]]:
    """Yield ranges of images with their fingerprints, or why they cannot be read, in any order."""
    require_same_versions(executor)
    job = dataset_job(dataset)
    require_same_dataset(executor, job)
    count = len(dataset.samples)
    size = max(1, min(AT_ONCE, -(-count // (2 * max(1, executor.n_workers)))))
    ranges = [range(start, min(start + size, count)) for start in range(0, count, size)]
    for outcome in carried_out(executor, _fingerprints, ranges, executor.share(job)):
        if isinstance(outcome, Failed):
            raise outcome.error
        yield outcome.item, outcome.value


def _fingerprints(numbers: range, job: DatasetJob) -> list[str | ImageError]:
    dataset = dataset_of(job)
    return [fingerprint_of(dataset, number) for number in numbers]


def dataset_job(dataset: CheckedDataset) -> DatasetJob:
    """Return what workers must know of a dataset."""
    return DatasetJob(
        component=ComponentReference.of(dataset.component),
        settings=host_settings(),
        samples=digest_of(dataset.samples),
        opened=f"{socket.gethostname()} {os.getpid()} {id(dataset)}",
        shard=(dataset.shard.part, dataset.shard.of) if dataset.shard else None,
    )
