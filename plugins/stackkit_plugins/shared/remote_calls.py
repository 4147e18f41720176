"""Send a call to another process, and bring back what the function raised, whatever that is.

Calls are pickled here and not by the engine: what a worker cannot unpickle, such as a function of a
package that it does not have, is then an ordinary error of this one call with a message that says so.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from stackkit.api import ExecutorError


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Shared:
    """Stands for a value that was shared; `key` tells it from others of the same executor.

    When the last reference to it is gone, so is the value. A task in flight holds one.
    """

    key: str


@dataclass(frozen=True, slots=True)
class _Position:
    """Where a shared value stands among the values that `carry_out` receives."""

    index: int


def packed(function: Callable[..., Any], arguments: Sequence[Any]) -> tuple[bytes, tuple[Shared, ...]]:
    """Pickle a call, and return it with the shared values that it needs, for `carry_out`.

    Raises
    ------
    ExecutorError
        If the function or an argument cannot be pickled.

    """
    needed = tuple(dict.fromkeys(each for each in arguments if isinstance(each, Shared)))
    sent = [_Position(needed.index(each)) if isinstance(each, Shared) else each for each in arguments]
    try:
        return pickle.dumps((function, sent), protocol=pickle.HIGHEST_PROTOCOL), needed
    except Exception as error:
        raise ExecutorError(
            f"{_name(function)} cannot be sent to workers: {type(error).__name__}: {error}; tasks must "
            "be functions of a module, with arguments that can be pickled"
        ) from error


def carry_out(call: bytes, *shared: Any) -> bytes:
    """Make a call on a worker; what it raises can be sent back, and what it returns is pickled."""
    try:
        function, arguments = pickle.loads(call)  # noqa: S301 - the process that began this one made it
    except Exception as error:
        raise ExecutorError(
            f"a task cannot be unpickled on the worker: {type(error).__name__}: {error}; install the "
            "same packages there"
        ) from None
    try:
        result = function(*(shared[a.index] if isinstance(a, _Position) else a for a in arguments))
    except BaseException as error:
        if isinstance(error, Exception) and _can_be_sent(error):
            raise
        # SystemExit would end the process that asks for the result; an exception whose constructor
        # takes other arguments than `args` fails to unpickle there.
        raise RuntimeError(f"{type(error).__name__}: {error}") from None
    try:
        return pickle.dumps(result, protocol=pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        raise ExecutorError(
            f"the result of {_name(function)} cannot be sent back: {type(error).__name__}: {error}"
        ) from None


def unpacked(result: bytes) -> Any:
    """Return the result that `carry_out` pickled; raises ExecutorError."""
    try:
        return pickle.loads(result)  # noqa: S301 - a worker that this process chose made it
    except Exception as error:
        raise ExecutorError(
            f"the result of a task cannot be unpickled: {type(error).__name__}: {error}; install the "
            "same packages here as on the workers"
        ) from error


def _can_be_sent(error: Exception) -> bool:
    try:
        return type(pickle.loads(pickle.dumps(error))) is type(error)  # noqa: S301 - made here
    except Exception:
        return False


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", repr(function))
