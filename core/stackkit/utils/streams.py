"""Send what is written to stdout elsewhere for a while, also where Python has no say in it."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

STDERR = 2


@contextmanager
def descriptor_1_to(target: int) -> Iterator[None]:
    """What libraries in C and started programs write to stdout goes to this descriptor."""
    # They write to descriptor 1, whatever sys.stdout is.
    _flush()
    try:
        kept = os.dup(1)
    except OSError:  # stdout is closed: nothing to keep
        yield
        return
    try:
        with contextlib.suppress(OSError):  # the target is closed
            os.dup2(target, 1)
        yield
    finally:
        _flush()  # whoever held the old sys.stdout may have filled its buffer
        os.dup2(kept, 1)
        os.close(kept)


def _flush() -> None:
    if sys.__stdout__ is not None:
        with contextlib.suppress(OSError, ValueError):
            sys.__stdout__.flush()
