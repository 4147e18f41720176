"""Run fits in parallel, each with the same result as if it ran alone."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.pool import ThreadPool
from queue import Empty, SimpleQueue

from joblib import cpu_count

from stackkit.api.executor import Executor
from stackkit.api.reporter import Reporter
from stackkit.evaluation.conditions import one_blas_thread
from stackkit.evaluation.convergence import convergence_warnings_captured
from stackkit.evaluation.fit import Fit, FitResult
from stackkit.evaluation.fit_cache import FitCache
from stackkit.evaluation.on_workers.pool import FitWorkers
from stackkit.evaluation.on_workers.shared import SharedArrays
from stackkit.evaluation.pool import FitThreads, Job, Outcome, Pool
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
    where : str
        The part of the evaluation that the fits belong to, such as "fold 2", for errors.

    """

    fits: Sequence[Fit]
    then: Callable[[list[FitResult]], Batch | None]
    where: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FitScheduler:
    """Run fits in threads of this process, or on the workers of an executor.

    Parameters
    ----------
    cache : FitCache
        Provides finished fits and receives new ones.
    reporter : Reporter
        Shows progress.
    stop_if_asked : callable
        Called after every fit; raises KeyboardInterrupt if the user pressed Ctrl-C.
    jobs : int or None
        Number of fits at a time in this process; None means one per core.
    task : str
        Name of the progress bar.
    executor : Executor or None
        Workers that fit; None for threads of this process.
    shared : SharedArrays
        What the workers have got already.

    Notes
    -----
    On one machine, threads suit better than processes: solvers spend their time in compiled code that
    releases the GIL, threads share one copy of the features, and plugin objects need no pickling.
    Workers are for more than one machine. They never see the cache: this process looks fits up before
    it hands them over, and keeps their results.

    Neither `jobs` nor the order of fits nor the executor has an influence on results. Every fit uses one
    thread. In one process, fits that use the same process-wide state take turns, and others run
    meanwhile. A fit that may use any state, because its component does not say which, runs alone.

    """

    cache: FitCache
    reporter: Reporter
    stop_if_asked: Callable[[], None] = lambda: None
    jobs: int | None = None
    task: str = TASK
    executor: Executor | None = None
    shared: SharedArrays = field(default_factory=SharedArrays, repr=False)

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
        with _one_evaluation, convergence_warnings_captured(), one_blas_thread(), self._pool() as pool:
            _Execution(scheduler=self, pool=pool, upcoming=iter(batches)).run()

    @contextmanager
    def _pool(self) -> Iterator[Pool]:
        """Start what runs the fits."""
        # Not joblib.Parallel, which takes all tasks up front: aggregators become known fold by fold.
        with ThreadPool(self.n_parallel) as threads:
            here = FitThreads(cache=self.cache, threads=threads, count=self.n_parallel)
            if self.executor is None or self.executor.in_process:
                yield here
            else:
                yield FitWorkers(executor=self.executor, cache=self.cache, here=here, shared=self.shared)

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
class _Planned(Job):
    """A fit of a batch, by its position."""

    opened: _OpenBatch
    position: int


@dataclass(slots=True, kw_only=True)
class _Execution:
    """The state of one `FitScheduler.run`.

    Only the main thread changes it. Fits hand over their outcomes through `finished`, so no locks are
    needed, and `Batch.then` and the reporter are never called from two threads at once.
    """

    scheduler: FitScheduler
    pool: Pool
    upcoming: Iterator[Batch]
    ready: deque[_Planned] = field(default_factory=deque)
    running: list[_Planned] = field(default_factory=list)
    finished: SimpleQueue[tuple[_Planned, Outcome]] = field(default_factory=SimpleQueue)

    def run(self) -> None:
        """Run until nothing is left or something is raised."""
        try:
            while True:
                while self.pool.has_room(self.running) and (job := self._next_job()):
                    self._start(job)
                if not self.running:
                    return
                job, outcome = self._next_finished()
                self._take(job, self.pool.received(job, outcome))
                self.scheduler.stop_if_asked()
        except StopAtOnce:
            # The pool's threads are daemons and do not hold the process back.
            raise
        except BaseException:
            self._finish_those_in_progress()
            raise

    def _finish_those_in_progress(self) -> None:
        """Wait for fits in progress, which cannot be cancelled, so that their results are cached."""
        while self.running:
            job, outcome = self._next_finished()
            with suppress(Exception):  # the first error is the one to report
                self.pool.received(job, outcome)

    def _next_job(self) -> _Planned | None:
        """Take the first fit that no running one is in the way of; None if there is none now."""
        while not self.ready:
            if (batch := next(self.upcoming, None)) is None:
                return None
            self.ready.extend(self._open(batch))
        for job in self.ready:
            if self.pool.admits(job, self.running):
                self.ready.remove(job)
                return job
        return None

    def _open(self, batch: Batch | None) -> list[_Planned]:
        # A batch without fits is finished already, so the one that follows from it is opened.
        while batch is not None and not batch.fits:
            batch = batch.then([])
        if batch is None:
            return []
        opened = _OpenBatch(batch)
        return [_Planned(fit, batch.where, opened, position) for position, fit in enumerate(batch.fits)]

    def _start(self, job: _Planned) -> None:
        self.pool.start(job, lambda outcome: self.finished.put((job, outcome)))
        self.running.append(job)

    def _take(self, job: _Planned, result: FitResult | None) -> None:
        if result is None:
            self.ready.append(job)
            return
        self.scheduler.advance()
        opened = job.opened
        opened.results[job.position] = result
        if len(opened.results) == len(opened.batch.fits):
            follows = opened.batch.then([opened.results[i] for i in range(len(opened.batch.fits))])
            # To the left: finishing a fold releases its probabilities before another fold adds its own.
            self.ready.extendleft(reversed(self._open(follows)))

    def _next_finished(self) -> tuple[_Planned, Outcome]:
        while True:
            with suppress(Empty):
                job, outcome = self.finished.get(timeout=LOOK_AGAIN_S)
                self.running.remove(job)
                return job, outcome
