"""Carry fits out, several at a time, without more threads than cores."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.pool import ThreadPool
from queue import SimpleQueue

from joblib import cpu_count
from threadpoolctl import ThreadpoolController, threadpool_limits

from stackkit.api.types import Reporter
from stackkit.evaluation.convergence import early_stops_noted
from stackkit.evaluation.fit import Fit, FitResult
from stackkit.evaluation.fit_cache import FitCache

TASK = "fitting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Fits whose answers are wanted together.

    `then` is handed the answers in the order of the fits, and returns the batch that they make
    possible, None if there is none.
    """

    fits: Sequence[Fit]
    then: Callable[[list[FitResult]], Batch | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class FitScheduler:
    """Whoever carries fits out: `jobs` of them at a time (None: as many as there are cores).

    Fits are threads of this process: solvers spend their time in code that lets other threads run,
    features are in memory once, and a fit that is under way at Ctrl-C is finished and kept.
    """

    kept: FitCache
    reporter: Reporter
    stop_if_asked: Callable[[], None] = lambda: None
    jobs: int | None = None

    @property
    def at_a_time(self) -> int:
        """Fits under way at the same time, at most."""
        return self.jobs or int(cpu_count())

    @property
    def threads_each(self) -> int:
        """Threads of BLAS and OpenMP that each fit may use."""
        return max(1, int(cpu_count()) // self.at_a_time)

    def carry_out(self, batches: Iterable[Batch]) -> None:
        """Work through batches in order, and first through those that follow from finished ones.

        The next batch is opened when too little of the others is left for everyone, so that the
        answers of few batches are in memory. Raises what a fit or `stop_if_asked` raises, once the
        other fits under way are finished and kept.
        """
        with (
            early_stops_noted(),
            limited_threads(self.threads_each),
            ThreadPool(self.at_a_time) as pool,  # joblib takes in no work that arises from work
        ):
            _Course(scheduler=self, pool=pool, coming=iter(batches)).run()

    def answer(self, fit: Fit) -> FitResult:
        """The answers of a fit, kept ones or made now."""
        if (known := self.kept.find(fit)) is not None:
            return known
        # OpenMP's number of threads belongs to each thread that uses it.
        with threadpool_limits(self.threads_each, user_api="openmp"):
            made = fit.carry_out()
        self.kept.keep(fit, made)
        return made

    def advance(self) -> None:
        """One fit is finished: say so, and what went wrong with keeping it."""
        self.reporter.advance(TASK, 1)
        if problem := self.kept.problem():
            self.reporter.message(
                f"finished fits cannot be kept ({problem}); this run goes on, and another one would "
                "have to fit again"
            )


@dataclass(slots=True, eq=False)
class _Open:
    """A batch some of whose answers are missing."""

    batch: Batch
    answers: dict[int, FitResult] = field(default_factory=dict)


_Job = tuple[_Open, int]
"""A batch and the number of the fit in it."""


@dataclass(slots=True, kw_only=True)
class _Course:
    """Batches on their way through a pool."""

    scheduler: FitScheduler
    pool: ThreadPool
    coming: Iterator[Batch]
    ready: deque[_Job] = field(default_factory=deque)
    under_way: int = 0
    done: SimpleQueue[tuple[_Job, FitResult | BaseException]] = field(default_factory=SimpleQueue)

    def run(self) -> None:
        """Until nothing is left, or something is raised."""
        while True:
            while self.under_way < self.scheduler.at_a_time and self._is_ready():
                self._start(self.ready.popleft())
            if not self.under_way:
                return
            finished = self._next_done()  # a second Ctrl-C ends this wait, and no other begins
            try:
                self._take(*finished)
                self.scheduler.stop_if_asked()
            except BaseException:
                while self.under_way:
                    self._next_done()
                raise

    def _is_ready(self) -> bool:
        """Whether a fit waits; opens batches until one does."""
        while not self.ready:
            if (batch := next(self.coming, None)) is None:
                return False
            self.ready.extend(self._open(batch))
        return True

    def _open(self, batch: Batch | None) -> list[_Job]:
        """The fits of a batch; one that needs none is through already, and what follows is opened."""
        while batch is not None and not batch.fits:
            batch = batch.then([])
        if batch is None:
            return []
        opened = _Open(batch)
        return [(opened, number) for number in range(len(batch.fits))]

    def _start(self, job: _Job) -> None:
        opened, number = job
        told = partial(self._told, job)
        self.pool.apply_async(
            _attempt, [self.scheduler.answer, opened.batch.fits[number]], callback=told
        )
        self.under_way += 1

    def _told(self, job: _Job, found: FitResult | BaseException) -> None:
        self.done.put((job, found))

    def _take(self, job: _Job, found: FitResult | BaseException) -> None:
        opened, number = job
        if isinstance(found, BaseException):
            raise found
        self.scheduler.advance()
        opened.answers[number] = found
        if len(opened.answers) == len(opened.batch.fits):
            follows = opened.batch.then([opened.answers[i] for i in range(len(opened.batch.fits))])
            self.ready.extendleft(reversed(self._open(follows)))

    def _next_done(self) -> tuple[_Job, FitResult | BaseException]:
        found = self.done.get()
        self.under_way -= 1
        return found


def _attempt(work: Callable[[Fit], FitResult], fit: Fit) -> FitResult | BaseException:
    """What the work gives or raises: a pool's thread dies of what is no Exception, and nobody hears."""
    try:
        return work(fit)
    except BaseException as error:
        return error


@contextmanager
def limited_threads(each: int | None = None) -> Iterator[None]:
    """Give every fit `each` threads of BLAS (None: as many as there are), and SciPy's copy one.

    NumPy and SciPy each bring an OpenBLAS with a pool as wide as the machine. Solvers alternate
    between them, and the waiting pool spins on the cores that the other needs; what that costs is
    measured by benchmarks/threads.py.
    """
    controller = ThreadpoolController()
    scipys = [
        library.filepath for library in controller.lib_controllers if "scipy.libs" in library.filepath
    ]
    with (
        controller.limit(limits=each, user_api="blas"),
        controller.select(filepath=scipys).limit(limits=1),
    ):
        yield
