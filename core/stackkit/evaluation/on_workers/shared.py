"""Hand arrays to the workers of an executor once, for as long as anything here needs them there."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit.api.executor import Executor


@dataclass(frozen=True, slots=True, eq=False)
class _Entry:
    """An array, what stands for it among the arguments of a task, and the ids of what needs it."""

    array: NDArray[Any]
    stand_in: Any
    users: set[int]


@dataclass(slots=True, eq=False)
class SharedArrays:
    """What stands for arrays that workers have, and the features whose files some worker did not see.

    What stands for an array is dropped when all its users are gone: features live until the end of the
    run, the fits of aggregators on a fold only until the fold is complete.

    Attributes
    ----------
    unreadable : set of str
        Digests of features that some worker could not read from their files.

    """

    unreadable: set[str] = field(default_factory=set)
    _known: dict[int, _Entry] = field(default_factory=dict)

    def of(self, array: NDArray[Any], user: object, executor: Executor) -> Any:
        """Return what stands for an array, as long as `user` lives."""
        key = id(array)
        if key not in self._known:
            self._known[key] = _Entry(array, executor.share(np.asarray(array)), set())
        entry = self._known[key]
        if id(user) not in entry.users:
            entry.users.add(id(user))
            weakref.finalize(user, self._release, key, id(user)).atexit = False
        return entry.stand_in

    def _release(self, key: int, user: int) -> None:
        entry = self._known[key]
        entry.users.discard(user)
        if not entry.users:
            del self._known[key]
