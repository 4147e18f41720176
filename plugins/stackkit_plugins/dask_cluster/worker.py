"""What runs on the workers: one task at a time in each process."""

from __future__ import annotations

import threading
from typing import Any

from stackkit_plugins.shared import remote_calls

_ONE_AT_A_TIME = threading.Lock()


def carry_out(call: bytes, *shared: Any) -> bytes:
    """Make a call with shared values when no other task of this process is running."""
    with _ONE_AT_A_TIME:
        return remote_calls.carry_out(call, *shared)
