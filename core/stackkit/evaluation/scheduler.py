"""Run fits in parallel, each with the same result as if it ran alone."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.pool import ThreadPool
from queue import Empty, SimpleQueue

from joblib import cpu_count

from stackkit.api.executor import Executor
from stackkit.api.reporter import Reporter
from stackkit.evaluation.conditions import disturb, one_blas_thread, one_openmp_thread, seeded
from stackkit.evaluation.convergence import convergence_warnings_captured
from stackkit.evaluation.fit import Fit, FitResult
from stackkit.evaluation.fit_cache import FitCache
from stackkit.utils.interrupts import StopAtOnce

TASK = "fitting"
"""Name of the progress bar of an evaluation."""

LOOK_AGAIN_S = 0.5
"""Seconds after which a wait for a fit begins again.

A Ctrl-C that arrives after Python's last look at signals and before the wait does not end the wait, and
would be noticed only when a fit has finished.
"""

_one_evaluation = threading.RLock()
"""Held while fits run: limits of BLAS and filters of warnings belong to the process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Fits that can run in any order, and what to do with their results.

    Parameters
    ----------
    fits : sequence of Fit
        The fits.
    then : callable
        Called with all results, in the order of `fits`. Returns the batch that these make possible, or
        None.

    """

    fits: Sequence[Fit]
    then: Callable[[list[FitResult]], Batch | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class FitScheduler:
    """Run fits in threads of this process.

    Parameters
    ----------
    cache : FitCache
        Provides finished fits and receives new ones.
    reporter : Reporter
        Shows progress.
    stop_if_asked : callable
        Called after every fit; raises KeyboardInterrupt if the user pressed Ctrl-C.
    jobs : int or None
        Number of fits at a time; None means one per core.
    task : str
        Name of the progress bar.
    executor : Executor or None
        Workers that fit; None for threads of this process.

    Notes
    -----
    Threads rather than processes, because solvers spend their time in compiled code that releases the
    GIL. Threads share one copy of the features, need no pickling of plugin objects, and a fit in
    progress at Ctrl-C can finish and be cached, where the terminal would send SIGINT to every process.

    Neither `jobs` nor the order of fits has an influence on results. Every fit uses one thread. Fits
    that use the same process-wide state take turns, and others run meanwhile. A fit that may use any
    state, because its component does not say which, runs alone.

    """

    cache: FitCache
    reporter: Reporter
    stop_if_asked: Callable[[], None] = lambda: None
    jobs: int | None = None
    task: str = TASK
    executor: Executor | None = None

    @property
    def n_parallel(self) -> int:
        """Largest number of fits at a time."""
        return self.jobs or int(cpu_count())  # joblib's count respects CPU affinity and container limits

    def run(self, batches: Iterable[Batch]) -> None:
        """Run batches in order, and batches that follow from a finished one before the next one.

        A batch is taken from the iterable only when too few fits are left to keep all threads busy, so
        only a few batches hold results in memory at a time. What a fit or `stop_if_asked` raises is
        raised once the fits in progress are finished and cached. Evaluations in one process take turns.
        """
        with (
            _one_evaluation,
            convergence_warnings_captured(),
            one_blas_thread(),
            # Not joblib.Parallel, which takes all tasks up front: aggregators become known fold by fold.
            ThreadPool(self.n_parallel) as pool,
        ):
            _Execution(scheduler=self, pool=pool, upcoming=iter(batches)).run()

    def result(self, fit: Fit) -> FitResult:
        """Return the result of a fit, from the cache or by running it."""
        if (cached := self.cache.load(fit)) is not None:
            return cached
        with one_openmp_thread(), seeded(fit.process_state, fit.digest):
            start = time.perf_counter()
            result = fit.run()
            result = replace(result, seconds=time.perf_counter() - start)
        self.cache.save(fit, result)
        return result

    def advance(self) -> None:
        """Report a finished fit, and once why results cannot be cached."""
        self.reporter.advance(self.task, 1)
        if problem := self.cache.take_problem():
            self.reporter.message(
                f"finished fits cannot be cached ({problem}); this run continues, but a rerun will fit "
                "them again"
            )


@dataclass(slots=True, eq=False)
class _OpenBatch:
    """A batch in progress, with the results so far by position in `batch.fits`."""

    batch: Batch
    results: dict[int, FitResult] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    """A fit of a batch, by its position."""

    opened: _OpenBatch
    position: int

    @property
    def fit(self) -> Fit:
        return self.opened.batch.fits[self.position]


@dataclass(slots=True, kw_only=True)
class _Execution:
    """The state of one `FitScheduler.run`.

    Only the main thread changes it. The pool's threads hand over results through `finished`, so no locks
    are needed, and `Batch.then` and the reporter are never called from two threads at once.
    """

    scheduler: FitScheduler
    pool: ThreadPool
    upcoming: Iterator[Batch]
    ready: deque[_Job] = field(default_factory=deque)
    running: list[_Job] = field(default_factory=list)
    finished: SimpleQueue[tuple[_Job, FitResult | BaseException]] = field(default_factory=SimpleQueue)

    def run(self) -> None:
        """Run until nothing is left or something is raised."""
        while True:
            while len(self.running) < self.scheduler.n_parallel and (job := self._next_job()):
                self._start(job)
            if not self.running:
                return
            job, result = self._next_finished()
            try:
                self._take(job, result)
                self.scheduler.stop_if_asked()
            except StopAtOnce:
                # The pool's threads are daemons and do not hold the process back.
                raise
            except BaseException:
                # A fit cannot be cancelled, and its thread caches its result: wait for those in
                # progress.
                while self.running:
                    self._next_finished()
                raise

    def _next_job(self) -> _Job | None:
        """Take the first fit that no running one disturbs; None if there is none now."""
        while not self.ready:
            if (batch := next(self.upcoming, None)) is None:
                return None
            self.ready.extend(self._open(batch))
        busy = [job.fit.process_state for job in self.running]
        for job in self.ready:
            if not any(disturb(job.fit.process_state, state) for state in busy):
                self.ready.remove(job)
                return job
        return None

    def _open(self, batch: Batch | None) -> list[_Job]:
        # A batch without fits is finished already, so the one that follows from it is opened.
        while batch is not None and not batch.fits:
            batch = batch.then([])
        if batch is None:
            return []
        opened = _OpenBatch(batch)
        return [_Job(opened, position) for position in range(len(batch.fits))]

    def _start(self, job: _Job) -> None:
        fit, result, finished = job.fit, self.scheduler.result, self.finished

        def attempt() -> None:
            # BaseException, because a pool's thread silently dies of anything that is not an Exception
            # (a plugin may call sys.exit), and `_next_finished` would wait forever.
            try:
                finished.put((job, result(fit)))
            except BaseException as error:
                finished.put((job, error))

        self.pool.apply_async(attempt)
        self.running.append(job)

    def _take(self, job: _Job, result: FitResult | BaseException) -> None:
        if isinstance(result, BaseException):
            raise result
        self.scheduler.advance()
        opened = job.opened
        opened.results[job.position] = result
        if len(opened.results) == len(opened.batch.fits):
            follows = opened.batch.then([opened.results[i] for i in range(len(opened.batch.fits))])
            # To the left: finishing a fold releases its probabilities before another fold adds its own.
            self.ready.extendleft(reversed(self._open(follows)))

    def _next_finished(self) -> tuple[_Job, FitResult | BaseException]:
        while True:
            with suppress(Empty):
                job, result = self.finished.get(timeout=LOOK_AGAIN_S)
                self.running.remove(job)
                return job, result
