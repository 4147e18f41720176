"""Carry out tasks with actors of Ray."""

from __future__ import annotations

import pickle
import threading
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

import ray

from stackkit.api import ExecutorError, WorkerDiedError
from stackkit_ray.worker import Shared, Worker


class RayExecutor:
    """One actor for each worker, which Ray places, and starts again when it dies.

    Actors and not tasks: a worker must keep its networks from one task to the next, and Ray promises
    that for actors alone.
    """

    in_process = False
    threads = 1

    def __init__(self, *, address: str | None, workers: int | None) -> None:
        try:
            cpus = {} if address else {"num_cpus": workers}
            ray.init(
                address or "local",
                log_to_driver=False,
                logging_level="ERROR",
                namespace="stackkit",
                **cpus,
            )
        except (ConnectionError, ValueError, RuntimeError) as error:
            place = address or "this machine"
            raise ExecutorError(f"Ray cannot be used at {place}: {_line(error)}") from error
        self.n_workers = workers or max(1, int(ray.cluster_resources().get("CPU", 1)))
        actor = ray.remote(
            num_cpus=1, max_restarts=-1, max_task_retries=0, scheduling_strategy="SPREAD"
        )(Worker)
        self._actors = [actor.remote() for _ in range(self.n_workers)]
        self._pending = [0] * self.n_workers
        self._references: dict[str, Any] = {}
        self._futures: set[Future[Any]] = set()
        self._lock = threading.RLock()
        self._closed = False

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
        """Give a task to the actor with the fewest tasks."""
        with self._lock:
            return self._begin(self._pending.index(min(self._pending)), function, arguments)

    def share(self, value: Any) -> Shared:
        """Put a value into Ray's object store."""
        self._check()
        shared = Shared(uuid.uuid4().hex)
        self._references[shared.key] = ray.put(value)
        return shared

    def on_each_worker(
        self, function: Callable[..., Any], /, *arguments: Any
    ) -> Mapping[str, Future[Any]]:
        """Give a task to each actor."""
        return {
            f"actor {number + 1} of {self.n_workers}": self._begin(number, function, arguments)
            for number in range(self.n_workers)
        }

    def close(self) -> None:
        """Leave the cluster; its actors end, and those that run a task are killed."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            futures = list(self._futures)
        ray.shutdown()
        for future in futures:
            self._set(future, error=ExecutorError("the executor was closed before the task ended"))

    def _check(self) -> None:
        if self._closed:
            raise ExecutorError("the executor is closed and takes no more tasks")

    def _begin(
        self, number: int, function: Callable[..., Any], arguments: tuple[Any, ...]
    ) -> Future[Any]:
        self._check()
        try:
            call = pickle.dumps((function, arguments))
        except Exception as error:
            raise ExecutorError(f"a task cannot be sent to workers: {error}") from error
        needed = {each.key: self._references[each.key] for each in arguments if isinstance(each, Shared)}
        future: Future[Any] = Future()
        with self._lock:
            self._futures.add(future)
            self._pending[number] += 1
        done = self._actors[number].carry_out.remote(call, needed).future()
        done.add_done_callback(lambda each: self._receive(number, each, future))
        return future

    def _receive(self, number: int, done: Future[Any], future: Future[Any]) -> None:
        with self._lock:
            self._pending[number] -= 1
        try:
            succeeded, pickled = done.result()
            value = pickle.loads(pickled)  # noqa: S301 - an actor of this process made it
        except ray.exceptions.RayActorError as error:  # died, or is being started again
            text = f"actor {number + 1} ended before its task: {_line(error)}"
            self._set(future, error=WorkerDiedError(text))
        except Exception as error:
            self._set(future, error=ExecutorError(f"Ray does not work any more: {_line(error)}"))
        else:
            self._set(future, value) if succeeded else self._set(future, error=value)

    def _set(self, future: Future[Any], value: Any = None, *, error: Exception | None = None) -> None:
        with self._lock:
            if future not in self._futures:
                return
            self._futures.remove(future)
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
