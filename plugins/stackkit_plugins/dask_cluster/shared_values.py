"""Values that workers hold, and their originals here, which are sent again if those get lost."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Sequence
from typing import Any

from stackkit.api import ExecutorError
from stackkit_plugins.dask_cluster.connection import Connection
from stackkit_plugins.shared.remote_calls import Shared


class SharedValues:
    """Scatter values to all workers. A worker that joins later gets a copy from another worker."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._values: dict[Shared, Any] = {}
        self._futures: dict[Shared, Any] = {}
        self._lock = threading.RLock()

    def add(self, value: Any) -> Shared:
        """Send a value to the workers."""
        shared = Shared(uuid.uuid4().hex)
        with self._lock:
            self._values[shared] = value
            self._send(shared)
        return shared

    def futures(self, needed: Sequence[Shared]) -> list[Any]:
        """Return Dask's futures of values; one that the cluster lost with its workers is sent again."""
        with self._lock:
            for shared in needed:
                if self._futures[shared].status != "finished":
                    self._send(shared)
            return [self._futures[shared] for shared in needed]

    def forget(self, needed: Sequence[Shared]) -> None:
        """Send values again when they are needed next."""
        with self._lock:
            for shared in needed:
                self._futures[shared].cancel()

    def _send(self, shared: Shared) -> None:
        # A list or dict would be scattered item by item; with hash=True the same value could be deleted
        # by another client.
        try:
            (self._futures[shared],) = self._connection.client.scatter(
                [self._values[shared]], broadcast=True, hash=False, timeout=self._connection.timeout
            )
        except Exception as error:  # of any type if a worker cannot unpickle the value
            raise ExecutorError(
                f"a value cannot be sent to the workers of {self._connection.address} within "
                f"{self._connection.timeout:g} s: {' '.join(str(error).split())[:300]}"
            ) from error
