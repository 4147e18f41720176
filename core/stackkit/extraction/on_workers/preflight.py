"""Ask every worker, before anything is computed, whether it computes the same features."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, TypeVar

from stackkit import __version__
from stackkit.api.backbone import Readiness
from stackkit.api.errors import (
    ExecutorError,
    ExtractionError,
    ImageError,
    ImageMemoryError,
    StackkitError,
    WorkerDiedError,
    one_line,
)
from stackkit.api.executor import Executor
from stackkit.extraction.on_workers.job import DatasetJob, ExtractionJob, WorkerReadiness
from stackkit.extraction.on_workers.session import dataset_of, prepare_worker
from stackkit.extraction.on_workers.worker_versions import difference, worker_versions

Answer = TypeVar("Answer")

NOT_ABOUT_A_WORKER = (ExtractionError, ImageError, ImageMemoryError)
"""Errors of a backbone or an image, which any worker would meet."""

SAMPLE_PARTS = tuple(slice(start, None, step) for step in (1, 2, 4) for start in range(step))
"""Parts of the sample images to prepare networks with, one after the other as long as workers end.

An image that ends its worker may be among them. `Workers` finds it later.
"""


def require_same_versions(executor: Executor) -> None:
    """Raise ExecutorError unless every worker has the versions of this process.

    Nothing but plain values is exchanged: objects of another version might not arrive whole.
    """
    here = worker_versions()
    for name, there in _answers(executor, worker_versions):
        if problem := difference(there, here):
            raise ExecutorError(f"{name} {problem}")


def require_same_dataset(executor: Executor, job: DatasetJob) -> None:
    """Raise ExecutorError unless every worker reads the same dataset."""
    for _ in _answers(executor, _opens, executor.share(job)):
        pass


def _opens(job: DatasetJob) -> None:
    dataset_of(job)


def prepared_workers(executor: Executor, job: ExtractionJob) -> tuple[object, list[WorkerReadiness]]:
    """Prepare the networks of every worker.

    Parameters
    ----------
    executor : Executor
        The workers.
    job : ExtractionJob
        What they will compute.

    Returns
    -------
    shared_job : object
        Stands for the job among the arguments of tasks.
    workers : list of WorkerReadiness
        How each worker is going to compute.

    Raises
    ------
    ExecutorError
        If a worker ends, or cannot compute these features: a plugin, weights or images are missing.
    ExtractionError, ImageError
        If a backbone fails.

    """
    for part in SAMPLE_PARTS:
        sets = tuple(replace(each, sample=each.sample[part]) for each in job.sets)
        shared = executor.share(replace(job, sets=sets))
        # One worker first: networks that it converts, and the engine that it selects while nothing else
        # runs, are found by the others if they share its folders.
        error = executor.submit(prepare_worker, shared).exception()
        if not isinstance(error, WorkerDiedError):
            return shared, [answer for _, answer in _answers(executor, prepare_worker, shared)]
    raise ExecutorError(
        f"every worker ends while it prepares the networks ({error}); look at the memory of "
        "the workers, or compute with fewer of them"
    )


def combined(workers: Sequence[WorkerReadiness], number: int) -> Readiness | None:
    """Return how a set is computed by all workers together; None if no sample image can be decoded."""
    found = [each for worker in workers if (each := worker.readiness[number])]
    if not found:
        return None
    rates = [each.images_per_s for each in found]
    settings = {json.dumps(each.settings, sort_keys=True): each.settings for each in found}
    differ: Mapping[str, Any] = {"workers": list(settings.values())}
    return replace(
        found[0],
        settings=dict(found[0].settings if len(settings) == 1 else differ),
        batch_size=max(each.batch_size for each in found),
        images_per_s=sum(filter(None, rates)) if all(rates) else None,
    )


def _answers(
    executor: Executor, function: Callable[..., Answer], *arguments: object
) -> list[tuple[str, Answer]]:
    """Return what a function returns on every worker, by the names of the workers."""
    futures: Mapping[str, Future[Answer]] = executor.on_each_worker(function, *arguments)
    if not futures:
        raise ExecutorError("the executor has no workers")
    found = []
    for name, future in futures.items():
        try:
            found.append((name, future.result()))
        except NOT_ABOUT_A_WORKER:
            raise
        except StackkitError as error:
            raise ExecutorError(f"{name}: {error}") from error
        except Exception as error:
            raise ExecutorError(
                f"{name} cannot run stackkit: {one_line(error)}; run there: pip install "
                f"stackkit=={__version__}"
            ) from error
    return found
