"""Two small executors: threads of this process, and processes that can be killed."""

import os
import signal
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any

from stackkit.api.errors import WorkerDiedError


class ThreadWorkers:
    """Threads as workers. It counts the tasks that were submitted."""

    in_process, threads = False, 1

    def __init__(self, n_workers: int) -> None:
        self.n_workers, self.submitted = n_workers, 0
        self._pool = ThreadPoolExecutor(n_workers)

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
        self.submitted += 1
        return self._pool.submit(function, *arguments)

    def share(self, value: Any) -> Any:
        return value

    def on_each_worker(self, function: Callable[..., Any], /, *arguments: Any) -> dict[str, Future[Any]]:
        return {f"thread {i}": self.submit(function, *arguments) for i in range(self.n_workers)}

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


class ProcessWorkers(ThreadWorkers):
    """Processes as workers. The pool breaks as a whole when one of them ends, and is replaced."""

    def __init__(self, n_workers: int) -> None:
        self.n_workers, self.submitted = n_workers, 0
        self._pool = self._new_pool()

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
        self.submitted += 1
        try:
            inner = self._pool.submit(function, *arguments)
        except BrokenProcessPool:
            self._pool = self._new_pool()
            inner = self._pool.submit(function, *arguments)
        outer = Future[Any]()
        inner.add_done_callback(lambda done: self._pass_on(done, outer))
        return outer

    def _new_pool(self) -> Any:
        return ProcessPoolExecutor(self.n_workers, get_context("spawn"))

    @staticmethod
    def _pass_on(done: Future[Any], outer: Future[Any]) -> None:
        if isinstance(error := done.exception(), BrokenProcessPool):
            error = WorkerDiedError("its process ended")
        if error is None:
            outer.set_result(done.result())
        else:
            outer.set_exception(error)


def square_of_all(numbers: range, fatal: int) -> list[int]:
    """Kill the process that is given `fatal`, as a library that crashes on one image does."""
    if fatal in numbers:
        os.kill(os.getpid(), signal.SIGKILL)
    return [number * number for number in numbers]
