"""Suppress what C++ libraries write to the terminal, past `sys.stdout` and `sys.stderr`."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO

# What TensorFlow's C++ libraries write to stderr on import, at any log level, and MNN to stdout.
_NOISE = re.compile(
    rb"WARNING: All log messages before absl::InitializeLog"
    rb"|[IWE]\d{4} \d\d:\d\d:[\d.]+ +\d+ [\w./]+:\d+\]"
    rb"|\d{4}-\d\d-\d\d \d\d:\d\d:[\d.]+: [IWE] \S*tensorflow/"
    rb"|To enable the following instructions: "
    rb"|The device supports: "
    rb"|MNN use "
)


@contextmanager
def without_noise(descriptors: Sequence[int] = (1, 2)) -> Iterator[None]:
    """Drop known noise written to file descriptors; other lines are written when the block ends.

    File descriptors are shared by the whole process, so lines of other threads are delayed too, but
    never lost.
    """
    with contextlib.ExitStack() as stack:
        for descriptor in descriptors:
            stack.enter_context(_filtered(descriptor))
        yield


@contextmanager
def _filtered(descriptor: int) -> Iterator[None]:
    try:
        original = os.dup(descriptor)
    except OSError:  # the descriptor is closed
        yield
        return
    # A file and not a pipe: a pipe holds 64 kB, and the writer would block when it is full.
    with tempfile.TemporaryFile() as held:
        _flush()  # what is still in Python's buffers must not end up in the file
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
    # Noise is dropped line by line: a warning of another library between two lines must survive.
    held.seek(0)
    for line in held:
        if not _NOISE.match(line):
            os.write(descriptor, line)
