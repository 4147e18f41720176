"""Carry out tasks on the workers of a Dask cluster."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future, wait
from dataclasses import dataclass, field
from typing import Any

import dask.config
import distributed
from distributed.scheduler import KilledWorker

from stackkit.api import ExecutorError, UsageError, WorkerDiedError
from stackkit_plugins.dask_cluster.connection import connect, start
from stackkit_plugins.dask_cluster.shared_values import SharedValues
from stackkit_plugins.dask_cluster.watch import Watch
from stackkit_plugins.dask_cluster.worker import carry_out
from stackkit_plugins.shared.remote_calls import Shared, packed, unpacked

SENDS = 5
"""How often a task is given to the scheduler if the values that it needs get lost with their workers."""

LOOK_AGAIN_S = 0.2
"""Seconds after which a thread that fetches a result sees that nobody needs it any more."""


@dataclass(eq=False, slots=True)
class Task:
    """A call, what stands for its result, and where it must be carried out if that matters."""

    call: bytes
    shared: tuple[Shared, ...]
    worker: str | None
    future: Future[Any] = field(default_factory=Future)
    begun: Any = None
    sends: int = 0


class DaskExecutor:
    """The workers of a running cluster, or of one that is started on this machine.

    A worker process carries out one task at a time, however many threads it has.

    Parameters
    ----------
    address : str or None
        The scheduler. None: start one, and workers, on this machine.
    workers : int or None
        Number of workers to start without an address. None: one for each core.
    ca, cert, key : str or None
        Files for TLS. None: as the configuration of Dask says.
    timeout : float
        Seconds to wait for an answer of the scheduler, and for a worker if there is none, > 0.

    """

    in_process = False

    def __init__(
        self,
        *,
        address: str | None,
        workers: int | None,
        ca: str | None,
        cert: str | None,
        key: str | None,
        timeout: float,
    ) -> None:
        tls = (ca, cert, key)
        if address is None and any(tls):
            raise UsageError("ca=, cert= and key= are for a running cluster; give its address= too")
        if address is not None and workers is not None:
            raise UsageError("workers= starts workers on this machine; leave it out with address=")
        self._connection = connect(address, tls, timeout) if address else start(workers, timeout)
        self._tasks: set[Task] = set()
        self._lock = threading.Lock()
        self._ended: ExecutorError | None = None
        self._values = SharedValues(self._connection)
        try:
            self._watch = Watch(self._connection, self._end, self._lose)
        except ExecutorError:
            self._connection.close()
            raise

    @property
    def n_workers(self) -> int:
        """Number of worker processes, >= 1."""
        return max(1, len(self._watch.workers))

    @property
    def threads(self) -> int:
        """The fewest threads that a worker was started with."""
        return self._watch.threads

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
        """Begin a task on the worker that the scheduler chooses."""
        return self._submit(*packed(function, arguments), worker=None)

    def share(self, value: Any) -> Shared:
        """Send a value to all workers; the original stays here in case that they get lost."""
        self._check()
        return self._values.add(value)

    def on_each_worker(
        self, function: Callable[..., Any], /, *arguments: Any
    ) -> Mapping[str, Future[Any]]:
        """Begin a task on each worker that the scheduler knows now."""
        call, shared = packed(function, arguments)
        self._watch.look()
        self._check()
        return {
            f"worker {worker}": self._submit(call, shared, worker=worker)
            for worker in sorted(self._watch.workers)
        }

    def close(self) -> None:
        """Give up tasks, leave the cluster, and end workers that were started on this machine."""
        if self._watch.stop():
            self._end(ExecutorError("the executor was closed before the task ended"))
            self._ended = ExecutorError("the executor is closed and takes no more tasks")
            self._connection.close()

    def _check(self) -> None:
        if self._ended is not None:
            raise self._ended

    def _submit(self, call: bytes, shared: tuple[Shared, ...], worker: str | None) -> Future[Any]:
        task = Task(call, shared, worker)
        task.future.set_running_or_notify_cancel()
        with self._lock:
            self._check()
            self._tasks.add(task)
        self._send(task)
        return task.future

    def _send(self, task: Task) -> None:
        task.sends += 1
        pinned = {"workers": [task.worker], "allow_other_workers": False} if task.worker else {}
        try:
            values = self._values.futures(task.shared)
            with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 TB"}):
                task.begun = self._connection.client.submit(
                    carry_out, task.call, *values, key=f"stackkit-{uuid.uuid4().hex}", **pinned
                )
            task.begun.add_done_callback(lambda begun: self._receive(task, begun))
        except ExecutorError as error:
            self._finish(task, error=error)
        except (OSError, RuntimeError, CancelledError, distributed.comm.CommClosedError):
            self._finish(task, error=self._lost_connection())

    def _receive(self, task: Task, begun: Any) -> None:
        """Take a result from the cluster, in a thread of Dask."""
        try:
            self._finish(task, unpacked(self._result(begun)))
        except KilledWorker as error:
            last = getattr(error.last_worker, "address", error.last_worker)
            self._finish(task, error=WorkerDiedError(f"worker {last} ended before its task"))
        except CancelledError as error:
            self._send_again(task, error)
        except Exception as error:
            self._finish(task, error=error)
        except BaseException as error:
            self._finish(task, error=RuntimeError(f"{type(error).__name__}: {error}"))

    def _result(self, begun: Any) -> bytes:
        """Fetch a result. Unlike `begun.result()`, it does not wait for ever if the client is closed."""
        if self._ended is None:
            loop = self._connection.client.loop.asyncio_loop
            fetched = asyncio.run_coroutine_threadsafe(begun._result(), loop)
            while self._ended is None:
                if wait([fetched], timeout=LOOK_AGAIN_S).done:
                    return bytes(fetched.result())
            fetched.cancel()
        raise self._ended

    def _send_again(self, task: Task, error: BaseException) -> None:
        """Give a task to the scheduler again if it was cancelled because shared values got lost."""
        if task.future.done() or self._ended is not None:
            return
        if self._connection.client.status != "running" or "connection" in str(error):
            self._end(self._lost_connection())
        elif task.sends >= SENDS:
            self._finish(task, error=ExecutorError(f"the scheduler cancelled a task: {error}"))
        else:
            if task.sends > 1:
                self._values.forget(task.shared)
            self._send(task)

    def _lost_connection(self) -> ExecutorError:
        return ExecutorError(
            f"the connection to the Dask scheduler at {self._connection.address} is lost; check the "
            "scheduler, then rerun the same command"
        )

    def _end(self, error: ExecutorError) -> None:
        """Fail all tasks, and those that come."""
        with self._lock:
            self._ended = self._ended or error
            tasks = list(self._tasks)
        for task in tasks:
            self._finish(task, error=error)

    def _lose(self, workers: set[str]) -> None:
        """Fail tasks of workers that have gone: no other worker may carry them out."""
        with self._lock:
            tasks = [task for task in self._tasks if task.worker in workers]
        for task in tasks:
            self._finish(task, error=WorkerDiedError(f"worker {task.worker} ended before its task"))

    def _finish(self, task: Task, value: Any = None, *, error: BaseException | None = None) -> None:
        with self._lock:
            if task not in self._tasks:
                return
            self._tasks.discard(task)
        task.begun = None  # the cluster forgets the result
        if error is None:
            task.future.set_result(value)
        else:
            task.future.set_exception(error)
