"""Workers that carry out tasks: the protocol that executors implement."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, Protocol


class Executor(Protocol):
    """Workers of an existing engine, such as a pool of processes or a cluster.

    The engine decides which worker carries out a task. stackkit limits the tasks that are in flight,
    gives a task that failed to the engine again, and finds the image that ends a worker. So an executor
    is a thin layer: it hands tasks over, and says in stackkit's errors what went wrong with the engine.

    Everything that is passed to workers, or comes back, can be pickled. A worker carries out one task at
    a time, so that a network has the memory and the threads of the worker for itself.
    """

    @property
    def in_process(self) -> bool:
        """Whether tasks run in this process, where they share its memory and its networks."""

    @property
    def n_workers(self) -> int:
        """Number of workers, >= 1: how many tasks run at the same time. It may change."""

    @property
    def threads(self) -> int | None:
        """Threads for each worker so that all of them together use each core once; None: all cores."""

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
        """Begin to carry out ``function(*arguments)`` on some worker.

        Parameters
        ----------
        function : callable
            A function of a module.
        *arguments
            Its arguments. What `share` returned stands for the value that was shared.

        Returns
        -------
        concurrent.futures.Future
            The result, or what the function raised. If the worker ended before the task did, and the
            engine does not carry it out again: `WorkerDiedError`. If the engine itself does not work
            any more, such as a cluster that cannot be reached: `ExecutorError`.

        """

    def share(self, value: Any) -> Any:
        """Make a large value available to all tasks; its bytes reach a worker once, not with each task.

        Returns
        -------
        object
            Stands for the value among the arguments of `submit` and `on_each_worker`. It stays valid
            until the executor is closed, also if a worker dies. When it is no longer referenced here,
            the executor may free the value.

        """

    def on_each_worker(
        self, function: Callable[..., Any], /, *arguments: Any
    ) -> Mapping[str, Future[Any]]:
        """Begin to carry out ``function(*arguments)`` once on every worker that there is now.

        Returns
        -------
        mapping of str to concurrent.futures.Future
            The results by the name of the worker, such as "process 4711" or an address.

        """

    def close(self) -> None:
        """Release the workers. Tasks that have not begun are given up."""
