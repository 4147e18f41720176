"""Keep standard streams usable whatever they are connected to; redirect stdout for a while."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedWriter, FileIO, TextIOWrapper
from typing import TYPE_CHECKING, TextIO

from stackkit.api.errors import StackkitError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer as Buffer

STDIN, STDOUT, STDERR = range(3)


class _StandardFile(FileIO):
    """Descriptor 1 or 2, which discards output after the first error.

    Nobody reads a pipe that is closed (`| head`), and lost messages on stderr must not end hours of
    work: both go on in silence. A result that is lost for another reason, such as a full disk, raises
    StackkitError once.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "w", closefd=False)

    def write(self, data: Buffer, /) -> int:
        """Write bytes and return their number."""
        try:
            return super().write(data)
        except OSError as error:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self.fileno())
            os.close(null)
            if self.fileno() == STDOUT and not isinstance(error, BrokenPipeError):
                raise StackkitError(
                    f"the output cannot be written to stdout: {error.strerror}; send it elsewhere"
                ) from error
            return memoryview(data).nbytes


def protect_standard_streams() -> None:
    r"""Make stdout and stderr take any text, closed or in any encoding, until the process ends.

    Characters that the encoding does not have are written as escapes such as ``\xb1``.
    """
    # A closed descriptor would be given to the next file that is opened, say a file of features, and
    # whatever is printed would be written into that file.
    for descriptor in (STDIN, STDOUT, STDERR):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    for name, descriptor in (("stdout", STDOUT), ("stderr", STDERR)):
        stream = _protected(getattr(sys, name), descriptor)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _protected(stream: TextIO | None, descriptor: int) -> TextIO:
    buffer = getattr(stream, "buffer", None)
    if stream is None:
        encoding, by_line = "utf-8", True
    elif type(getattr(buffer, "raw", buffer)) is FileIO:
        # With -u, a stream writes through. TextIOWrapper alone would not do so into a buffer.
        encoding = stream.encoding
        by_line = bool(stream.line_buffering or stream.write_through)  # type: ignore[attr-defined]
        with suppress(OSError):
            stream.flush()
    else:  # the console of Windows
        with suppress(AttributeError, ValueError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[attr-defined]
        return stream
    raw = BufferedWriter(_StandardFile(descriptor))
    return TextIOWrapper(raw, encoding, "backslashreplace", line_buffering=by_line)


@contextmanager
def descriptor_1_to(target: int) -> Iterator[None]:
    """Send everything that is written to file descriptor 1 to the descriptor `target`.

    Libraries in C and child processes write to it; replacing `sys.stdout` does not affect them.
    """
    _flush()  # text that was written before belongs to the old target
    try:
        kept = os.dup(STDOUT)
    except OSError:  # stdout is closed: there is nothing to redirect
        yield
        return
    try:
        with suppress(OSError):  # the target is closed: go on without redirecting
            os.dup2(target, STDOUT)
        yield
    finally:
        _flush()  # code that kept a reference to sys.__stdout__ may have filled its buffer
        os.dup2(kept, STDOUT)
        os.close(kept)


def _flush() -> None:
    if sys.__stdout__ is not None:
        with suppress(OSError, ValueError):
            sys.__stdout__.flush()
