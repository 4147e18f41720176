"""Redirect stdout for a while, also for libraries in C and child processes."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

STDERR = 2


@contextmanager
def descriptor_1_to(target: int) -> Iterator[None]:
    """Send everything that is written to file descriptor 1 to the descriptor `target`.

    Libraries in C and child processes write to it; replacing `sys.stdout` does not affect them.
    """
    _flush()  # text that was written before belongs to the old target
    try:
        kept = os.dup(1)
    except OSError:  # stdout is closed: there is nothing to redirect
        yield
        return
    try:
        with contextlib.suppress(OSError):  # the target is closed: go on without redirecting
            os.dup2(target, 1)
        yield
    finally:
        _flush()  # code that kept a reference to sys.__stdout__ may have filled its buffer
        os.dup2(kept, 1)
        os.close(kept)


def _flush() -> None:
    if sys.__stdout__ is not None:
        with contextlib.suppress(OSError, ValueError):
            sys.__stdout__.flush()
