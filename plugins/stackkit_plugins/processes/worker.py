"""What runs in worker processes: how they begin and end, shared values, and calls on all of them."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import joblib

from stackkit_plugins.shared import remote_calls

PARENT_CHECK_S = 1.0
MEETING_CHECK_S = 0.02

_values: dict[str, Any] = {}
"""The shared values that this process has read, by the paths of their files."""


def begin(parent: int) -> None:
    """Ignore Ctrl-C, which is for the process that gives work, and end when that process has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if os.name == "posix":
        threading.Thread(target=_end_with, args=(parent,), name="parent-watch", daemon=True).start()


def _end_with(parent: int) -> None:
    # A pool's pipes stay open in all its workers, so a worker does not see that nobody writes any more.
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_S)
    os._exit(1)


def carry_out(call: bytes, *files: str) -> bytes:
    """Make a call with shared values, each of which is read once in this process."""
    return remote_calls.carry_out(call, *map(_value, files))


def _value(file: str) -> Any:
    if file not in _values:
        for known in [known for known in _values if not Path(known).exists()]:
            del _values[known]  # it was freed
        _values[file] = joblib.load(file, mmap_mode="r")
    return _values[file]


def meet_and_carry_out(folder: str, workers: int, call: bytes, *files: str) -> bytes:
    """Make a call after all workers have begun theirs, so that each makes exactly one.

    A pool gives calls to whichever worker is free. While this one waits here it takes no other.
    """
    (Path(folder) / str(os.getpid())).touch()
    while len(list(Path(folder).iterdir())) < workers:
        time.sleep(MEETING_CHECK_S)
    return carry_out(call, *files)
