"""What an actor does: it makes calls, one after the other, and keeps values that were shared."""

from __future__ import annotations

import pickle
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from stackkit.api import ExecutorError


@dataclass(frozen=True)
class Shared:
    """Stands for a value that was shared."""

    key: str


class Worker:
    """An actor of Ray, which is a process of its own."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}

    def carry_out(self, call: bytes, references: dict[str, Any]) -> tuple[bool, bytes]:
        """Make a call; returns whether it succeeded, and the pickled result or exception.

        The exception comes back as a result, since Ray wraps exceptions in a class of its own, and
        a SystemExit would end the actor.
        """
        try:
            function, arguments = pickle.loads(call)  # noqa: S301 - the driver made it
            result = function(*(self._value(each, references) for each in arguments))
            return True, pickle.dumps(result)
        except BaseException as error:
            return False, _pickled(error)

    def _value(self, argument: Any, references: dict[str, Any]) -> Any:
        if not isinstance(argument, Shared):
            return argument
        if argument.key not in self._values:
            import ray

            # Arrays stay in the memory that all processes of a machine share.
            self._values[argument.key] = ray.get(references[argument.key])
        return self._values[argument.key]


def _pickled(error: BaseException) -> bytes:
    if isinstance(error, (ImportError, AttributeError, pickle.UnpicklingError)):
        error = ExecutorError(f"{type(error).__name__} on a worker: {error}")
    with suppress(Exception):  # its constructor may take other arguments than its `args`
        text = pickle.dumps(error)
        if isinstance(error, Exception) and type(pickle.loads(text)) is type(error):  # noqa: S301
            return text
    return pickle.dumps(RuntimeError(f"{type(error).__name__}: {error}"))
