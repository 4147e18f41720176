"""Checks of an executor: results, errors and dead workers come back as core relies on."""

from __future__ import annotations

import atexit
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NoResultError
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from threading import Event, Thread
from typing import Any

import numpy as np

from stackkit.api.errors import ExecutorError, ImageError, WorkerDiedError
from stackkit.api.executor import Executor
from stackkit.testing import worker_tasks as tasks
from stackkit.testing.check import CheckFailedError, CheckList, attempt, require, skip
from stackkit.testing.under_test import ComponentUnderTest

WAIT_S = 60.0
"""Far more than any task of a check takes, also where a worker is started for it."""

ATTEMPTS = 5
"""A task that is in flight while another one ends a worker may have to be given to the engine again."""


@dataclass(frozen=True, kw_only=True)
class ExecutorUnderTest(ComponentUnderTest):
    """An executor, started once for all checks."""

    @cached_property
    def outcome(self) -> Any:
        """The executor, or the StackkitError that starting it raised; closed when Python ends."""
        started: Future[Any] = Future()
        # Each check has a thread that ends with it, and Linux can end processes of an engine with the
        # thread that started them.
        Thread(target=_start, args=(super(), started), daemon=True).start()
        outcome = started.result()
        if hasattr(outcome, "close"):
            atexit.register(outcome.close)
        return outcome

    @property
    def executor(self) -> Executor:
        """The executor."""
        executor: Executor = self.made
        return executor

    @property
    def separate(self) -> Executor:
        """The executor; skips the check if its tasks run in this process."""
        if self.executor.in_process:
            skip("its tasks run in this process")
        return self.executor

    def result(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return the result of one task."""
        return result_of(attempt("submit", lambda: self.executor.submit(function, *arguments)))


def _start(parent: Any, started: Future[Any]) -> None:
    """Start the executor in a thread that does not end."""
    try:
        started.set_result(parent.outcome)
    except BaseException as error:
        started.set_exception(error)
    Event().wait()


def result_of(future: Future[Any]) -> Any:
    """Return what a task returned, or raise what it raised; fails the check if there is nothing."""
    try:
        return future.result(WAIT_S)
    except NoResultError as error:
        if future.done():  # the task itself raised a TimeoutError
            raise
        raise CheckFailedError(f"a task has no result after {WAIT_S:g} s") from error


def error_of(future: Future[Any]) -> Exception:
    """Return what a task raised."""
    try:
        result = result_of(future)
    except CheckFailedError:
        raise
    except Exception as error:
        return error
    raise CheckFailedError(f"a task that must fail returned {result!r}")


CHECKS = CheckList(after=("results",))


@CHECKS.add(
    "results",
    "return a concurrent.futures.Future from submit; in_process, n_workers and threads are attributes",
    after=(),
)
def results(component: ExecutorUnderTest) -> None:
    """Each future has the result of its own task, also if there are more tasks than workers."""
    executor = component.executor
    require(
        isinstance(executor.n_workers, int) and executor.n_workers >= 1,
        f"n_workers must be an integer >= 1, got {executor.n_workers!r}",
    )
    require(
        executor.threads is None or executor.threads >= 1,
        f"threads must be None or >= 1, got {executor.threads!r}",
    )
    right = np.linspace(0, 1, 50_000).reshape(50, 1000)
    numbers = range(4 * executor.n_workers)
    futures = [executor.submit(tasks.product, number, right) for number in numbers]
    wrong = [n for n in numbers if not np.array_equal(result_of(futures[n]), n * right)]
    require(not wrong, f"task {wrong[:1]} of {len(numbers)} has another result than here")


@CHECKS.add("errors", "set what the task raised as the future's exception, with its type and text")
def errors(component: ExecutorUnderTest) -> None:
    """What a task raises arrives at its future as an Exception, with type and text if it can be pickled,
    and the executor goes on.
    """
    error = error_of(component.executor.submit(tasks.fail, "ImageError"))
    found = f"ImageError('task 7: the file is cut') arrived as {error!r}"
    require(type(error) is ImageError and str(error) == "task 7: the file is cut", found)
    for how in ("AwkwardError", "SystemExit"):
        error = error_of(component.executor.submit(tasks.fail, how))
        died = isinstance(error, WorkerDiedError)
        require("7" in str(error) and not died, f"{how} with text 7 arrived as {error!r}")
    component.result(tasks.process)


@CHECKS.add("one-at-a-time", "give a worker a lock, or one thread")
def one_at_a_time(component: ExecutorUnderTest) -> None:
    """A worker process carries out one task at a time."""
    count = 3 * component.executor.n_workers
    futures = [component.executor.submit(tasks.interval, 0.02) for _ in range(count)]
    found = sorted(result_of(future) for future in futures)
    for (here, _, end), (there, begin, _) in pairwise(found):
        require(here != there or begin >= end, f"two tasks ran at the same time in process {here}")


@CHECKS.add("shared-once", "send the value to each worker once, and keep it there until close")
def shared_once(component: ExecutorUnderTest) -> None:
    """What `share` returns stands for the value in tasks, and a process receives the value once."""
    large = tasks.Large()
    before = _copies_received(component)
    shared = attempt("share", lambda: component.executor.share(large))
    for _ in range(4):
        count = 2 * component.executor.n_workers
        futures = [component.executor.submit(tasks.total, shared, number) for number in range(count)]
        for number, (process, copies, total) in enumerate(map(result_of, futures)):
            require(total == large.numbers.sum() + number, "a task has another value than was shared")
            received = copies - before.get(process, 0)
            require(received <= 1, f"process {process} has received the value {received} times")


def _copies_received(component: ExecutorUnderTest) -> dict[str, int]:
    return dict(map(result_of, component.executor.on_each_worker(tasks.received).values()))


@CHECKS.add(
    "each-worker", "make each worker wait until all of them have a task, or ask the engine for a worker"
)
def each_worker(component: ExecutorUnderTest) -> None:
    """`on_each_worker` carries out a task once in each worker process."""
    shared = component.executor.share(tasks.Large())
    for _ in range(2):
        futures = attempt(
            "on_each_worker", lambda: component.executor.on_each_worker(tasks.total, shared, 1)
        )
        names = [name for name in futures if isinstance(name, str) and name.isprintable()]
        require(len(names) == len(futures), f"names of workers must be texts, got {list(futures)}")
        processes = {result_of(future)[0] for future in futures.values()}
        number = component.executor.n_workers
        found = f"on_each_worker reached {len(processes)} processes, and n_workers is {number}"
        require(len(processes) == len(futures) == number, found)


@CHECKS.add(
    "worker-death",
    "turn the engine's error into WorkerDiedError, start other workers if the engine does not, and "
    "share values again that got lost",
    after=("results", "shared-once"),
)
def worker_death(component: ExecutorUnderTest) -> None:
    """A task that ends its worker fails with WorkerDiedError, and the executor goes on, also with values
    that were shared before.
    """
    executor = component.separate
    shared = executor.share(tasks.Large())
    for ending in (executor.submit(tasks.end_process), executor.submit(tasks.end_process, shared)):
        error = error_of(ending)
        found = f"a task that ended its worker failed with {error!r}"
        require(isinstance(error, WorkerDiedError), found)
    expected = int(tasks.Large().numbers.sum()) + 1
    require(_retried(executor, tasks.total, shared, 1)[2] == expected, "a shared value has changed")


def _retried(executor: Executor, function: Callable[..., Any], *arguments: Any) -> Any:
    for _ in range(ATTEMPTS):
        try:
            return result_of(executor.submit(function, *arguments))
        except WorkerDiedError as error:
            last = error
    raise CheckFailedError(f"after a worker's death, {ATTEMPTS} other tasks failed: {last}")


@CHECKS.add(
    "close",
    "fail tasks that are given up with ExecutorError, and raise it from submit after close",
    after=("results", "errors", "one-at-a-time", "shared-once", "each-worker", "worker-death"),
)
def close(component: ExecutorUnderTest) -> None:
    """`close` ends or gives up all tasks, can be called twice, and no task begins after it."""
    executor = component.separate
    futures: Sequence[Future[Any]] = [
        executor.submit(tasks.interval, 0.5) for _ in range(3 * executor.n_workers)
    ]
    attempt("close", executor.close)
    attempt("close", executor.close)
    for future in futures:
        error = future.exception(WAIT_S)
        found = f"a task that was given up failed with {error!r}"
        require(error is None or isinstance(error, ExecutorError), found)
    try:
        error = executor.submit(tasks.process).exception(WAIT_S)
    except Exception as raised:
        error = raised
    require(
        isinstance(error, ExecutorError), f"submit after close: expected ExecutorError, got {error!r}"
    )
