"""Hold back what libraries write to the terminal from below Python."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO

# What TensorFlow's C++ libraries write to stderr on import, whatever the log level, and MNN to stdout.
_NOISE = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog"
    rb"|[IWE]\d{4} \d\d:\d\d:[\d.]+ +\d+ [\w./]+:\d+\]"
    rb"|\d{4}-\d\d-\d\d \d\d:\d\d:[\d.]+: [IWE] \S*tensorflow/"
    rb"|To enable the following instructions: "
    rb"|The device supports: "
    rb"|MNN use "
)


@contextmanager
def descriptors_held(descriptors: Sequence[int] = (1, 2)) -> Iterator[None]:
    """Hold back known noise on these descriptors; any other line is written when the block ends."""
    with contextlib.ExitStack() as stack:
        for descriptor in descriptors:
            stack.enter_context(_held(descriptor))
        yield


@contextmanager
def _held(descriptor: int) -> Iterator[None]:
    try:
        original = os.dup(descriptor)
    except OSError:  # it is closed: nobody would read the lines
        yield
        return
    with tempfile.TemporaryFile() as held:
        _flush()
        os.dup2(held.fileno(), descriptor)
        try:
            yield
        finally:
            _flush()
            os.dup2(original, descriptor)
            os.close(original)
            _pass_on(held, descriptor)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()


def _pass_on(held: IO[bytes], descriptor: int) -> None:
    held.seek(0)
    for line in held:
        if not _NOISE.match(line):
            os.write(descriptor, line)
