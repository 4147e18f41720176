"""Keep stdout for what a command answers; everything else belongs on stderr."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def stdout_set_aside() -> Iterator[None]:
    """What plugins and libraries print meanwhile, from Python or below it, goes to stderr."""
    with contextlib.redirect_stdout(sys.stderr), _descriptor_set_aside():
        yield


@contextmanager
def _descriptor_set_aside() -> Iterator[None]:
    # Libraries in C and programs that a plugin starts write to descriptor 1, whatever sys.stdout is.
    _flush()
    try:
        kept = os.dup(1)
    except OSError:  # stdout is closed: nothing to keep
        yield
        return
    try:
        with contextlib.suppress(OSError):  # stderr is closed
            os.dup2(2, 1)
        yield
    finally:
        _flush()  # whoever held the old sys.stdout may have filled its buffer
        os.dup2(kept, 1)
        os.close(kept)


def _flush() -> None:
    if sys.__stdout__ is not None:
        with contextlib.suppress(OSError, ValueError):
            sys.__stdout__.flush()
