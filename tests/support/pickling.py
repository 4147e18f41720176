"""An executor whose workers are far away as far as pickles go, though all is in one process."""

import pickle
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any


class PicklingExecutor:
    """Carries out pickled tasks at once, and counts their bytes and those of shared values."""

    in_process = False
    n_workers = 2
    threads = 1

    def __init__(self) -> None:
        self.tasks: list[int] = []
        self.shared: list[int] = []

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
        call = pickle.dumps((function, arguments))
        self.tasks.append(len(call))
        received, given = pickle.loads(call)
        future = Future[Any]()
        try:
            answer = received(*(each.value() if isinstance(each, StandIn) else each for each in given))
            future.set_result(pickle.loads(pickle.dumps(answer)))
        except Exception as error:
            future.set_exception(error)
        return future

    def share(self, value: Any) -> "StandIn":
        content = pickle.dumps(value)
        self.shared.append(len(content))
        _values.append(content)
        return StandIn(len(_values) - 1)

    def on_each_worker(
        self, function: Callable[..., Any], /, *arguments: Any
    ) -> Mapping[str, Future[Any]]:
        return {"the only worker": self.submit(function, *arguments)}

    def close(self) -> None:
        pass


_values: list[bytes] = []


class StandIn:
    """Stands for a shared value."""

    def __init__(self, position: int) -> None:
        self.position = position

    def value(self) -> Any:
        return pickle.loads(_values[self.position])
