"""Carry out tasks in this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any


class LocalExecutor:
    """The process itself is the only worker. A task is carried out while it is submitted."""

    in_process = True
    n_workers = 1
    threads = None

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
        """Call the function, and return a future that has finished."""
        future = Future[Any]()
        try:
            future.set_result(function(*arguments))
        except Exception as error:
            future.set_exception(error)
        except SystemExit as error:
            # It would end the process that asks for the result, as it does not end a worker's either.
            future.set_exception(RuntimeError(f"SystemExit: {error}"))
        return future

    def share(self, value: Any) -> Any:
        """Return the value itself: tasks see the memory of this process."""
        return value

    def on_each_worker(
        self, function: Callable[..., Any], /, *arguments: Any
    ) -> Mapping[str, Future[Any]]:
        """Call the function once."""
        return {"this process": self.submit(function, *arguments)}

    def close(self) -> None:
        """Do nothing: this process goes on."""
