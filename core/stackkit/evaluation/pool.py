"""What runs the fits of an evaluation: threads of this process here, workers in `on_workers`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from multiprocessing.pool import ThreadPool
from typing import Any, Protocol, TypeAlias

from stackkit.evaluation.conditions import disturb, one_openmp_thread, seeded
from stackkit.evaluation.fit import Fit, FitResult
from stackkit.evaluation.fit_cache import FitCache

Outcome: TypeAlias = FitResult | BaseException | Future[Any]
"""How an attempt ended: a result, what it raised, or the answer of a worker."""


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """A fit, and the part of the evaluation that it belongs to, such as "fold 2", for errors."""

    fit: Fit
    where: str


class Pool(Protocol):
    """What runs fits. Only the main thread calls it."""

    def has_room(self, running: Sequence[Job]) -> bool:
        """Return whether another fit can start beside those that run."""

    def admits(self, job: Job, running: Sequence[Job]) -> bool:
        """Return whether this fit can start: none that runs is in its way."""

    def start(self, job: Job, done: Callable[[Outcome], None]) -> None:
        """Begin a fit; `done` is called with its outcome, now or later, in any thread."""

    def received(self, job: Job, outcome: Outcome) -> FitResult | None:
        """Return the result of a fit, or raise what it raised; None if it has to start again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FitThreads:
    """Threads of this process, which share one copy of the features and read and fill the cache.

    Parameters
    ----------
    cache : FitCache
        Provides finished fits and receives new ones.
    threads : ThreadPool
        Runs the fits.
    count : int
        Number of threads.

    """

    cache: FitCache
    threads: ThreadPool
    count: int

    def has_room(self, running: Sequence[Job]) -> bool:
        """Return whether a thread is free."""
        return len(running) < self.count

    def admits(self, job: Job, running: Sequence[Job]) -> bool:
        """Return whether no running fit uses the same process-wide state."""
        state = job.fit.process_state
        return not any(disturb(state, other.fit.process_state) for other in running)

    def start(self, job: Job, done: Callable[[Outcome], None]) -> None:
        """Run a fit in a thread, unless it is cached."""

        def attempt() -> None:
            # BaseException, because a pool's thread silently dies of anything that is not an Exception
            # (a plugin may call sys.exit), and the main thread would wait forever.
            try:
                done(self._result(job.fit))
            except BaseException as error:
                done(error)

        self.threads.apply_async(attempt)

    def received(self, job: Job, outcome: Outcome) -> FitResult | None:
        """Return the result, or raise what the fit raised."""
        if isinstance(outcome, BaseException):
            raise outcome
        assert isinstance(outcome, FitResult)
        return outcome

    def _result(self, fit: Fit) -> FitResult:
        if (cached := self.cache.load(fit)) is not None:
            return cached
        result = fitted(fit)
        self.cache.save(fit, result)
        return result


def fitted(fit: Fit) -> FitResult:
    """Run a fit under the conditions that all fits have, and measure how long it takes.

    BLAS is limited to one thread by the caller, for the whole process.
    """
    with one_openmp_thread(), seeded(fit.process_state, fit.digest):
        start = time.perf_counter()
        result = fit.run()
        return replace(result, seconds=time.perf_counter() - start)
