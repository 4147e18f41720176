"""Hand fits to the workers of an executor, and take their results."""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

from stackkit.api.errors import ExecutorError, StackkitError, WorkerDiedError, one_line
from stackkit.api.executor import Executor
from stackkit.evaluation.fit import FitResult
from stackkit.evaluation.fit_cache import FitCache
from stackkit.evaluation.on_workers.parcel import packed
from stackkit.evaluation.on_workers.shared import SharedArrays
from stackkit.evaluation.on_workers.task import (
    Answer,
    Fitted,
    Raised,
    Unreadable,
    Warned,
    fit_on_worker,
)
from stackkit.evaluation.pool import FitThreads, Job, Outcome
from stackkit.execution.tasks import AHEAD, ATTEMPTS


class WorkerTraceback(Exception):  # noqa: N818 - the text of one, which `--debug` shows
    """Where an error was raised on a worker, as text."""


@dataclass(slots=True, kw_only=True)
class FitWorkers:
    """Workers of an executor, each of which runs one fit at a time in a process of its own.

    Parameters
    ----------
    executor : Executor
        The workers.
    cache : FitCache
        Provides finished fits and receives new ones; no worker sees it.
    here : FitThreads
        Runs fits whose results cannot leave the process that made them.
    shared : SharedArrays
        What the workers have got already.

    """

    executor: Executor
    cache: FitCache
    here: FitThreads
    shared: SharedArrays
    _failed: Counter[Job] = field(default_factory=Counter)
    _warned: dict[Any, Any] = field(default_factory=dict)

    def has_room(self, running: Sequence[Job]) -> bool:
        """Return whether some worker has nothing to do next."""
        return len(running) < AHEAD * self.executor.n_workers

    def admits(self, job: Job, running: Sequence[Job]) -> bool:
        """Return whether a fit can start: one whose worker died repeatedly runs alone.

        Some engines end all workers when one dies. Only alone can a fit be blamed for it.
        """
        if self._is_alone(job):
            return not running
        if any(map(self._is_alone, running)):
            return False
        return not job.fit.stays_here or self.here.admits(
            job, [other for other in running if other.fit.stays_here]
        )

    def _is_alone(self, job: Job) -> bool:
        return self._failed[job] >= ATTEMPTS - 1

    def start(self, job: Job, done: Callable[[Outcome], None]) -> None:
        """Hand a fit to the executor, unless it is cached."""
        if job.fit.stays_here:
            self.here.start(job, done)
            return
        if (cached := self.cache.load(job.fit)) is not None:
            done(cached)
            return
        try:
            parcel = packed(job.fit, self.shared, self.executor)
            future = self.executor.submit(fit_on_worker, parcel.content, *parcel.shared)
        except StackkitError as error:
            done(error)
        else:
            future.add_done_callback(done)

    def received(self, job: Job, outcome: Outcome) -> FitResult | None:
        """Return the result of a fit, or raise what it raised; None if another worker has to try."""
        if isinstance(outcome, FitResult | BaseException):
            return self.here.received(job, outcome)
        try:
            answer: Answer = outcome.result()
        except Exception as error:
            self._count_failure(job, error)
            return None
        if isinstance(answer, Raised):
            raise answer.error from WorkerTraceback(answer.where)
        if isinstance(answer, Unreadable):
            self.shared.unreadable.add(answer.digest)  # from now on, such features are shared
            return None
        return self._kept(job, answer)

    def _kept(self, job: Job, answer: Fitted) -> FitResult:
        for each in answer.warned:
            _warn_again(each, self._warned)
        self.cache.save(job.fit, answer.result)
        return answer.result

    def _count_failure(self, job: Job, error: BaseException) -> None:
        """Raise an error that names the fit if it fails on every worker, or the engine does."""
        if isinstance(error, ExecutorError) and not isinstance(error, WorkerDiedError):
            raise error
        self._failed[job] += 1
        if self._failed[job] < ATTEMPTS:
            return
        where = f" in {job.where}" if job.where else ""
        if isinstance(error, WorkerDiedError):
            raise WorkerDiedError(
                f"{job.fit.title}{where}: {ATTEMPTS} workers ended while they fitted it, the last one "
                f"with no other fit beside it ({error}); it may need more memory than a worker has"
            ) from error
        raise ExecutorError(
            f"{job.fit.title}{where}: {ATTEMPTS} attempts on workers failed: {one_line(error)}"
        ) from error


def _warn_again(warned: Warned, known: dict[Any, Any]) -> None:
    """Give a warning of a worker here, where the user's filters decide about it."""
    module, _, name = warned.category.partition(":")
    try:
        category: Any = reduce(getattr, name.split("."), sys.modules[module])
    except (KeyError, AttributeError):
        category = UserWarning
    warnings.warn_explicit(warned.text, category, warned.filename, warned.lineno, registry=known)
