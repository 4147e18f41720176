"""Values that workers hold, and their originals here, which are sent again if those get lost."""

from __future__ import annotations

import threading
import uuid
import weakref
from collections.abc import Sequence
from typing import Any

from stackkit.api import ExecutorError
from stackkit_plugins.dask_cluster.connection import Connection
from stackkit_plugins.shared.remote_calls import Shared


class SharedValues:
    """Scatter values to all workers. A worker that joins later gets a copy from another worker."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._values: dict[str, Any] = {}
        self._futures: dict[str, Any] = {}
        self._lock = threading.RLock()

    def add(self, value: Any) -> Shared:
        """Send a value to the workers."""
        shared = Shared(uuid.uuid4().hex)
        with self._lock:
            self._values[shared.key] = value
            self._send(shared.key)
        weakref.finalize(shared, self._free, shared.key).atexit = False
        return shared

    def futures(self, needed: Sequence[Shared]) -> list[Any]:
        """Return Dask's futures of values; one that the cluster lost with its workers is sent again."""
        with self._lock:
            for shared in needed:
                if self._futures[shared.key].status != "finished":
                    self._send(shared.key)
            return [self._futures[shared.key] for shared in needed]

    def forget(self, needed: Sequence[Shared]) -> None:
        """Send values again when they are needed next."""
        with self._lock:
            for shared in needed:
                self._futures[shared.key].cancel()

    def _free(self, key: str) -> None:
        # Without the lock: a garbage collection may run this in a thread at any time. Dask frees what no
        # future stands for.
        self._values.pop(key, None)
        self._futures.pop(key, None)

    def _send(self, key: str) -> None:
        # A list or dict would be scattered item by item; with hash=True the same value could be deleted
        # by another client.
        try:
            (self._futures[key],) = self._connection.client.scatter(
                [self._values[key]], broadcast=True, hash=False, timeout=self._connection.timeout
            )
        except Exception as error:  # of any type if a worker cannot unpickle the value
            raise ExecutorError(
                f"a value cannot be sent to the workers of {self._connection.address} within "
                f"{self._connection.timeout:g} s: {' '.join(str(error).split())[:300]}"
            ) from error
