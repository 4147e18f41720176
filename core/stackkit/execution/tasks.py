"""Keep the workers of an executor busy with a limited number of tasks, in any order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from stackkit.api.errors import ExecutorError, StackkitError, WorkerDiedError, one_line
from stackkit.api.executor import Executor
from stackkit.utils.interrupts import StopAtOnce

Item = TypeVar("Item")
Value = TypeVar("Value")

AHEAD = 2
"""Tasks in flight per worker: one that it carries out, and one that is ready when it has finished."""

ATTEMPTS = 3
"""How often a task is given to the engine before its failure is reported."""

DEATHS_AMONG_OTHERS = 2
"""How often the worker of a task may end before the task is carried out alone.

An engine often reports the end of a worker, or of a whole pool, for every task that it had been given.
"""

MOST_DEATHS = 50
"""How often all workers may end, one after the other, before the work is given up as hopeless."""

LOOK_AGAIN_S = 0.5
"""Seconds after which a wait for a result begins again, so that Ctrl-C is never missed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done(Generic[Item, Value]):
    """A task that was carried out, and its result."""

    item: Item
    value: Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(Generic[Item]):
    """A task that failed on every attempt, with the last error.

    `WorkerDiedError` means that it ends every worker that carries it out, and cannot be divided.
    """

    item: Item
    error: Exception


def carried_out(
    executor: Executor,
    function: Callable[..., Value],
    items: Iterable[Item],
    *shared: Any,
    halves: Callable[[Item], Sequence[Item]] = lambda item: (),
    stop_if_asked: Callable[[], None] = lambda: None,
) -> Iterator[Done[Item, Value] | Failed[Item]]:
    """Carry out ``function(item, *shared)`` for each item; yield results as they arrive.

    At most `AHEAD` tasks per worker are in flight or wait for the caller: a slow caller holds the
    workers back. A task that failed is given to the engine again. One whose worker died twice is
    carried out alone at the end, so that no other task suffers or is blamed; then its halves are tried.

    Parameters
    ----------
    executor, function, items
        The workers; a function of a module; its first arguments, taken one by one from the iterable.
    *shared
        Further arguments: small values, or what `Executor.share` returned.
    halves : callable
        Divides an item into smaller ones; returns an empty sequence for one that cannot be divided.
    stop_if_asked : callable
        Called between results. If it raises KeyboardInterrupt, no task begins any more, the results of
        those in flight are still yielded, and then it is raised.

    Yields
    ------
    Done or Failed
        One for every item, or for each of the parts that it was divided into.

    Raises
    ------
    ExecutorError
        If the engine itself does not work any more; results that have arrived are yielded before.

    """
    work = _Work[Item, Value](
        executor=executor,
        submit=lambda item: executor.submit(function, item, *shared),
        fresh=iter(items),
        halves=halves,
    )
    return work.outcomes(stop_if_asked)


def _asked(stop_if_asked: Callable[[], None]) -> KeyboardInterrupt | None:
    """Return what `stop_if_asked` raises to end the work after the tasks in flight."""
    try:
        stop_if_asked()
    except StopAtOnce:
        raise
    except KeyboardInterrupt as interrupt:
        return interrupt
    return None


@dataclass(slots=True, eq=False)
class _Task(Generic[Item]):
    """A task with the number of attempts that failed, and of those that ended with their worker."""

    item: Item
    failures: int = 0
    deaths: int = 0
    alone: bool = False


@dataclass(slots=True, kw_only=True)
class _Work(Generic[Item, Value]):
    """The state of one `carried_out`.

    Only the caller's thread changes it. Threads of the engine hand over finished futures through
    `finished`, so no locks are needed.
    """

    executor: Executor
    submit: Callable[[Item], Future[Value]]
    fresh: Iterator[Item]
    halves: Callable[[Item], Sequence[Item]]
    again: deque[_Task[Item]] = field(default_factory=deque)
    suspects: deque[_Task[Item]] = field(default_factory=deque)
    running: int = 0
    deaths_in_a_row: float = 0
    finished: SimpleQueue[tuple[_Task[Item], Future[Value]]] = field(default_factory=SimpleQueue)

    def outcomes(self, stop_if_asked: Callable[[], None]) -> Iterator[Done[Item, Value] | Failed[Item]]:
        """Yield what becomes of the tasks; see `carried_out`."""
        interrupt: KeyboardInterrupt | None = None
        try:
            while True:
                if interrupt is None:
                    self.begin_tasks()
                if not self.running:
                    break
                outcome = self.next_outcome()
                if outcome is not None:
                    yield outcome
                del outcome  # it may be large, and the next one may take long
                interrupt = interrupt or _asked(stop_if_asked)
        except ExecutorError:
            yield from self.results_at_hand()
            raise
        if interrupt is not None:
            raise interrupt

    def begin_tasks(self) -> None:
        """Give tasks to the engine until enough of them are in flight, or none may begin now."""
        while self.running < self._most_in_flight() and (task := self._next_task()):
            self.running += 1
            self._begin(task)

    def next_outcome(self) -> Done[Item, Value] | Failed[Item] | None:
        """Wait for a task; None if none has finished yet, or one failed and is not given up."""
        try:
            task, future = self.finished.get(timeout=LOOK_AGAIN_S)
        except Empty:
            return None
        self.running -= 1
        error = _error_of(future)
        if error is None:
            self.deaths_in_a_row = 0
            return Done(item=task.item, value=future.result())
        if isinstance(error, ExecutorError) and not isinstance(error, WorkerDiedError):
            raise error
        return Failed(item=task.item, error=error) if self._is_given_up(task, error) else None

    def results_at_hand(self) -> Iterator[Done[Item, Value]]:
        """Yield the results that have arrived already."""
        while not self.finished.empty():
            task, future = self.finished.get()
            if _error_of(future) is None:
                yield Done(item=task.item, value=future.result())

    def _most_in_flight(self) -> int:
        # In this process a task is carried out while it is submitted: a second result would only wait.
        return 1 if self.executor.in_process else AHEAD * max(1, self.executor.n_workers)

    def _next_task(self) -> _Task[Item] | None:
        if self.again:
            return self.again.popleft()
        for item in self.fresh:
            return _Task(item)
        return self.suspects.popleft() if self.suspects and not self.running else None

    def _begin(self, task: _Task[Item]) -> None:
        try:
            future = self.submit(task.item)
        except Exception as error:  # such as an item that cannot be pickled
            future = Future()
            future.set_exception(error)
        future.add_done_callback(lambda done: self.finished.put((task, done)))

    def _is_given_up(self, task: _Task[Item], error: Exception) -> bool:
        """Note an attempt that failed, and plan what follows from it, if anything does."""
        task.failures += 1
        if isinstance(error, WorkerDiedError):
            task.deaths += 1
            self._require_living_workers(task, error)
            if task.alone and (parts := self.halves(task.item)):
                self.suspects.extendleft(_Task(part, alone=True) for part in reversed(parts))
                return False
            if not task.alone:
                task.alone = task.deaths >= DEATHS_AMONG_OTHERS
                (self.suspects if task.alone else self.again).append(task)
                return False
        else:
            self.deaths_in_a_row = 0
        if task.failures >= ATTEMPTS:
            return True
        (self.suspects if task.alone else self.again).append(task)
        return False

    def _require_living_workers(self, task: _Task[Item], error: WorkerDiedError) -> None:
        # The end of one worker may be reported for every task in flight.
        self.deaths_in_a_row += 1 if task.alone else 1 / self._most_in_flight()
        if self.deaths_in_a_row >= MOST_DEATHS:
            raise ExecutorError(
                f"workers end again and again, and carry out no task ({error}); look at their memory "
                "and their logs, then run the same command again"
            )


def _error_of(future: Future[Any]) -> Exception | None:
    """Return why a finished task failed."""
    try:
        error = future.exception()
    except CancelledError as cancelled:
        return cancelled
    if error is None or isinstance(error, Exception):
        return error
    # A plugin that exits, or a worker that was sent Ctrl-C, must not end this process.
    return StackkitError(one_line(error))
