"""Pack a fit for a worker: a few kilobytes and its rows, with references to all that fits share."""

from __future__ import annotations

import io
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from stackkit.api.executor import Executor
from stackkit.evaluation.features import Features
from stackkit.evaluation.fit import Fit
from stackkit.evaluation.on_workers.components import component_of, reference_to
from stackkit.evaluation.on_workers.shared import SharedArrays
from stackkit.evaluation.on_workers.stored_features import opened, parts_of, stored
from stackkit.host.component import Component

WORTH_SHARING = 4096
"""Arrays of fewer bytes travel with every fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A fit as bytes, and what stands for the arrays that it has in common with others."""

    content: bytes
    shared: Sequence[Any]


def packed(fit: Fit, shared: SharedArrays, executor: Executor) -> Parcel:
    """Pack a fit; arrays that the workers do not have yet are shared with them."""
    _ = fit.digest  # it travels too: a worker does not read all features and fits to know it
    packer = _Packer(fit, shared)
    packer.dump(fit)
    arrays = [shared.of(array, packer.users.get(id(array), fit), executor) for array in packer.arrays]
    return Parcel(content=packer.file.getvalue(), shared=arrays)


def unpacked(content: bytes, shared: Sequence[Any]) -> Fit:
    """Return the fit of a parcel, on a worker.

    Raises
    ------
    ExecutorError
        If this process does not have its components.
    UnreadableError
        If this process does not see the files of its features.

    """
    return cast(Fit, _Unpacker(io.BytesIO(content), shared).load())


class _Packer(pickle.Pickler):
    """Replaces large arrays, features in files and components by references."""

    def __init__(self, fit: Fit, shared: SharedArrays) -> None:
        self.file = io.BytesIO()
        super().__init__(self.file, protocol=pickle.HIGHEST_PROTOCOL)
        self._shared = shared
        self._own = {id(rows) for rows in fit.own_rows}
        self.arrays: list[NDArray[Any]] = []
        self.users: dict[int, Features] = {}

    def persistent_id(self, value: Any) -> int | None:
        """Return the position of a shared array; None for everything else."""
        if not isinstance(value, np.ndarray) or value.nbytes < WORTH_SHARING or id(value) in self._own:
            return None
        for position, array in enumerate(self.arrays):
            if array is value:
                return position
        self.arrays.append(value)
        return len(self.arrays) - 1

    def reducer_override(self, value: Any) -> Any:
        """Return how a worker finds features and components by itself."""
        if isinstance(value, Features):
            # They outlive the fits that they are in.
            arrays = [part for parts in parts_of(value) for part in parts]
            self.users |= {id(array): value for array in (*arrays, value.used_rows)}
            if value.digest not in self._shared.unreadable and (reference := stored(value)):
                return opened, (reference, value.used_rows)
        if isinstance(value, Component):
            return component_of, (reference_to(value),)
        return NotImplemented


class _Unpacker(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, shared: Sequence[Any]) -> None:
        super().__init__(file)
        self._shared = shared

    def persistent_load(self, position: int) -> Any:
        """Return a shared array."""
        return self._shared[position]
