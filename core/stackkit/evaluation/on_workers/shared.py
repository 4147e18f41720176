"""Hand arrays to the workers of an executor once, for as long as anything here uses them."""

from __future__ import annotations

import weakref
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit.api.executor import Executor


@dataclass(slots=True, eq=False)
class SharedArrays:
    """What stands for arrays that workers have, and the files that a worker did not see.

    An array that nothing uses any more, such as the probabilities of a fold that is complete, is
    forgotten, so that the executor can free it.

    Attributes
    ----------
    unreadable : set of str
        Digests of features that some worker could not read from their files.

    """

    unreadable: set[str] = field(default_factory=set)
    _known: dict[int, tuple[weakref.ref[NDArray[Any]], Any]] = field(default_factory=dict)

    def of(self, array: NDArray[Any], executor: Executor) -> Any:
        """Return what stands for an array among the arguments of a task."""
        key = id(array)
        if key not in self._known:
            forget = weakref.ref(array, lambda gone: self._known.pop(key, None))
            self._known[key] = forget, executor.share(np.asarray(array))
        return self._known[key][1]
