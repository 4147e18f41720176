"""Watch which workers a cluster has, and whether its scheduler answers."""

from __future__ import annotations

import pkgutil
import threading
import time
from collections.abc import Callable, Set
from importlib.metadata import version

from stackkit.api import ExecutorError
from stackkit_plugins.dask_cluster.connection import Connection

INTERVAL_S = 1.0
ON_WORKERS = "stackkit_plugins.dask_cluster.worker:carry_out"


class Watch:
    """A thread that asks the scheduler every second for its workers.

    Dask itself waits for ever for a worker if there is none, and for one that a task is meant for.

    Parameters
    ----------
    connection : Connection
        The scheduler.
    end : callable
        Called with an ExecutorError if the scheduler does not answer, or there are no workers, for as
        long as the connection's timeout.
    lose : callable
        Called with the addresses of workers that have gone.

    Raises
    ------
    ExecutorError
        If there is no worker within the timeout.

    """

    def __init__(
        self,
        connection: Connection,
        end: Callable[[ExecutorError], None],
        lose: Callable[[set[str]], None],
    ) -> None:
        self.workers: dict[str, int] = {}
        self._connection, self._end, self._lose = connection, end, lose
        self._seen = time.monotonic()
        self._stopped = threading.Event()
        while not (error := self._check()) and not self.workers:
            time.sleep(INTERVAL_S / 10)
        if error is not None:
            raise error
        self.threads = min(self.workers.values())
        self._thread = threading.Thread(target=self._run, name="dask-watch", daemon=True)
        self._thread.start()

    def look(self) -> None:
        """Ask now."""
        if not self._stopped.is_set() and (error := self._check()):
            self._end(error)

    def stop(self) -> bool:
        """Ask no more; returns whether it was asking until now."""
        was_running = not self._stopped.is_set()
        self._stopped.set()
        return was_running

    def _run(self) -> None:
        while not self._stopped.wait(INTERVAL_S):
            if error := self._check():
                if not self._stopped.is_set():
                    self._end(error)
                return

    def _check(self) -> ExecutorError | None:
        """Update the workers; returns what is wrong with the cluster."""
        try:
            workers = self._connection.workers()
        except Exception as error:  # also errors of tornado if the client was closed meanwhile
            return ExecutorError(
                f"the Dask scheduler at {self._connection.address} does not answer any more: "
                f"{type(error).__name__}: {error}; check it, then rerun the same command"
            )
        if problem := self._missing_stackkit(workers.keys() - self.workers.keys()):
            return ExecutorError(problem)
        gone = self.workers.keys() - workers.keys()
        self.workers = workers
        if gone:
            self._lose(gone)
        if workers:
            self._seen = time.monotonic()
        elif time.monotonic() - self._seen > self._connection.timeout:
            return ExecutorError(
                f"the Dask cluster at {self._connection.address} has had no worker for "
                f"{self._connection.timeout:g} s; start some with: dask worker "
                f"{self._connection.address} --nthreads 1"
            )
        return None

    def _missing_stackkit(self, new: Set[str]) -> str:
        """Say which new worker cannot carry out tasks, or "".

        A Dask worker that receives a task with an unknown function ends without saying why. So this
        asks with a function of the standard library first.
        """
        if not new:
            return ""
        found = self._connection.client.run(
            pkgutil.resolve_name, ON_WORKERS, workers=list(new), on_error="return"
        )
        for worker, answer in found.items():
            if isinstance(answer, (ImportError, AttributeError)):
                needed = f"stackkit[dask]=={version('stackkit')}"
                return f"worker {worker}: {answer}; install it there: pip install '{needed}'"
        return ""
