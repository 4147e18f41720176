"""Carry fits out, several at a time, without more threads than cores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from joblib import Parallel, cpu_count, delayed
from threadpoolctl import ThreadpoolController, threadpool_limits

from stackkit.fitting.convergence import early_stops_noted
from stackkit.fitting.fit import Answers, Fit
from stackkit.fitting.kept import KeptFits
from stackkit.types import Reporter

TASK = "fitting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """Whoever carries fits out: `jobs` of them at a time (None: as many as there are cores).

    Fits are threads of this process: solvers spend their time in code that lets other threads run,
    features are in memory once, and a fit that is under way at Ctrl-C is finished and kept.
    """

    kept: KeptFits
    reporter: Reporter
    stop_if_asked: Callable[[], None] = lambda: None
    jobs: int | None = None

    @property
    def at_a_time(self) -> int:
        """Fits under way at the same time, at most."""
        return self.jobs or int(cpu_count())

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Around all fits of a run: convergence is noted, and threads are divided among fits."""
        with early_stops_noted(), calm_threads(max(1, int(cpu_count()) // self.at_a_time)):
            yield

    def carry_out(self, fits: Sequence[Fit]) -> list[Answers]:
        """The answers of fits, in their order, each of which is taken from the kept ones or made."""
        answers: dict[str, Answers] = {}
        missing: dict[str, Fit] = {}
        for fit in fits:
            if (known := self.kept.find(fit.digest)) is not None:
                answers[fit.digest] = known
            else:
                missing[fit.digest] = fit
        self.reporter.advance(TASK, len(answers))
        parallel = Parallel(self.at_a_time, prefer="threads", return_as="generator_unordered")
        for digest, made in parallel(delayed(self._fitted)(fit) for fit in missing.values()):
            answers[digest] = made
            self._advance()
        return [answers[fit.digest] for fit in fits]

    def _fitted(self, fit: Fit) -> tuple[str, Answers]:
        # OpenMP's number of threads belongs to each thread that uses it.
        with threadpool_limits(max(1, int(cpu_count()) // self.at_a_time), user_api="openmp"):
            answers = fit.carry_out()
        self.kept.keep(fit.digest, answers)
        return fit.digest, answers

    def _advance(self) -> None:
        self.reporter.advance(TASK, 1)
        if problem := self.kept.problem():
            self.reporter.message(
                f"finished fits cannot be kept ({problem}); this run goes on, and another one would "
                "have to fit again"
            )
        self.stop_if_asked()


@contextmanager
def calm_threads(each: int | None = None) -> Iterator[None]:
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
