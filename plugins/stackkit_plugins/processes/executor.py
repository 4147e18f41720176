"""Carry out tasks in processes on this machine, which loky starts."""

from __future__ import annotations

import os
import re
import signal
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager
from typing import Any

import loky
from loky.backend.context import LokyContext
from loky.process_executor import BrokenProcessPool, ProcessPoolExecutor, ShutdownExecutorError

from stackkit.api import ExecutorError, WorkerDiedError
from stackkit_plugins.processes import worker
from stackkit_plugins.processes.shared_files import SharedFolder
from stackkit_plugins.shared.remote_calls import Shared, packed, unpacked

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class ProcessesExecutor:
    """A pool of processes that is replaced as a whole when one of them dies.

    Parameters
    ----------
    workers : int or None
        Number of processes. None: one for each core that this process may use, within the limits of a
        container.

    """

    in_process = False

    def __init__(self, *, workers: int | None) -> None:
        cores = int(loky.cpu_count())
        self.n_workers = workers or cores
        self.threads = max(1, cores // self.n_workers)
        self._lock = threading.Lock()
        self._closed = False
        self._folder = SharedFolder()
        self._pool = self._new_pool()

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
        """Begin a task in a process that is free."""
        call, shared = packed(function, arguments)
        return self._begin(shared, worker.carry_out, call)

    def share(self, value: Any) -> Shared:
        """Write a value to a file that each process reads once; arrays are memory-mapped."""
        self._check_open()
        shared = Shared(self._folder.write(value))
        weakref.finalize(shared, self._folder.remove, shared.key).atexit = False
        return shared

    def on_each_worker(
        self, function: Callable[..., Any], /, *arguments: Any
    ) -> Mapping[str, Future[Any]]:
        """Begin a task in every process; each waits until all of them have one."""
        call, shared = packed(function, arguments)
        self._check_open()
        meeting = self._folder.new_folder()
        return {
            f"process {number} of {self.n_workers}": self._begin(
                shared, worker.meet_and_carry_out, meeting, self.n_workers, call
            )
            for number in range(1, self.n_workers + 1)
        }

    def close(self) -> None:
        """End the processes, and remove the shared files."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._pool.shutdown(wait=True, kill_workers=True)
        self._folder.close()

    def _begin(
        self, shared: tuple[Shared, ...], function: Callable[..., Any], *arguments: Any
    ) -> Future[Any]:
        arguments += tuple(each.key for each in shared)
        with self._lock, _without_ctrl_c():
            self._check_open()
            try:
                begun = self._pool.submit(function, *arguments)
            except BrokenProcessPool:
                self._pool.shutdown(wait=False)
                self._pool = self._new_pool()
                begun = self._pool.submit(function, *arguments)
        future = Future[Any]()
        future.set_running_or_notify_cancel()
        begun.add_done_callback(lambda done, _=shared: _pass_on(done, future))
        return future

    def _new_pool(self) -> ProcessPoolExecutor:
        environ = dict.fromkeys(_THREAD_VARIABLES, str(self.threads))
        environ["PYTHONFAULTHANDLER"] = ""  # loky prints the stack of a process that crashes
        return ProcessPoolExecutor(
            self.n_workers,
            context=LokyContext(),  # its name alone may mean the copy of loky that joblib contains
            initializer=worker.begin,
            initargs=(os.getpid(),),
            # loky ends workers whose memory grows, which a worker's does when it loads a network.
            env={**environ, **os.environ, "LOKY_MAX_MEMORY_LEAK_SIZE": "1e18"},
        )

    def _check_open(self) -> None:
        if self._closed:
            raise ExecutorError("the executor is closed and takes no more tasks")


@contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Start processes that never receive Ctrl-C, not even before their first line of Python.

    A signal that arrives in the block reaches another thread, or this one afterwards.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _pass_on(done: Future[Any], future: Future[Any]) -> None:
    """Set the result of a future, with errors of loky as those of stackkit."""
    try:
        error = done.exception()
    except CancelledError as cancelled:
        error = cancelled
    if isinstance(error, BrokenProcessPool):
        future.set_exception(WorkerDiedError(f"a process ended before its task{_reason(error)}"))
    elif isinstance(error, (ShutdownExecutorError, CancelledError)):
        future.set_exception(ExecutorError("the executor was closed before the task ended"))
    elif error is not None:
        future.set_exception(error)
    else:
        try:
            future.set_result(unpacked(done.result()))
        except ExecutorError as wrong:
            future.set_exception(wrong)


def _reason(error: BrokenProcessPool) -> str:
    """Say how processes ended, from a text of loky such as "... {SIGKILL(-9), EXIT(0)}"."""
    found = re.findall(r"(\w+)\((-?\d+)\)", str(error))
    reasons = [
        f"killed by signal {-int(code)} ({name})" if int(code) < 0 else f"exit code {code}"
        for name, code in found
    ]
    return f" ({', '.join(reasons)})" if reasons else f": {' '.join(str(error).split())}"
