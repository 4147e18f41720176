"""Keep the workers of an executor busy with a limited number of tasks, in any order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from stackkit.api.executor import Executor

Item = TypeVar("Item")
Value = TypeVar("Value")

AHEAD = 2
"""Tasks in flight per worker: one that it carries out, and one that is ready when it has finished."""

ATTEMPTS = 3
"""How often a task is given to the engine before its failure is reported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done(Generic[Item, Value]):
    """A task that was carried out, and its result."""

    item: Item
    value: Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(Generic[Item]):
    """A task that failed on every attempt, and cannot be divided, with the last error.

    `WorkerDiedError` means that it ends whatever worker carries it out.
    """

    item: Item
    error: Exception


def carried_out(
    executor: Executor,
    function: Callable[..., Value],
    items: Iterable[Item],
    *shared: Any,
    halves: Callable[[Item], Sequence[Item]] = lambda item: (),
    stop_if_asked: Callable[[], None] = lambda: None,
) -> Iterator[Done[Item, Value] | Failed[Item]]:
    """Carry out ``function(item, *shared)`` for each item, and yield results as they arrive.

    At most `AHEAD` tasks per worker are in flight, and no other one begins while the caller works on a
    result: a slow caller holds the workers back, and memory stays bounded. A task that failed is given
    to the engine again, behind the others. One whose worker died twice is carried out alone at the end,
    so that no other task suffers or is blamed, and if its worker dies then, its halves are tried.

    Parameters
    ----------
    executor : Executor
        What carries out the tasks.
    function : callable
        A function of a module, called with an item and `shared`.
    items : iterable
        The items; taken one by one, as workers become free.
    *shared
        Further arguments: small values, or what `Executor.share` returned.
    halves : callable
        Divides an item into smaller ones; returns an empty sequence for one that cannot be divided.
    stop_if_asked : callable
        Called between results. If it raises KeyboardInterrupt, no task begins any more, the results of
        those in flight are still yielded, and then it is raised.

    Yields
    ------
    Done or Failed
        One for every item, or for all the parts that it was divided into.

    Raises
    ------
    ExecutorError
        If the engine itself does not work any more.

    """
    raise NotImplementedError
