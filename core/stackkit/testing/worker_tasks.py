"""Tasks that the checks of executors give to workers, which import this module."""

from __future__ import annotations

import os
import socket
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stackkit.api.errors import ImageError

_copies = 0


class Large:
    """A value of 1 MB that counts how often this process has received it."""

    def __init__(self) -> None:
        self.numbers = np.arange(2**17, dtype=np.int64)

    def __setstate__(self, state: dict[str, Any]) -> None:
        global _copies
        _copies += 1
        self.__dict__.update(state)


class AwkwardError(Exception):
    """An exception that cannot be unpickled: its constructor takes other arguments than `args`."""

    def __init__(self, *, number: int) -> None:
        super().__init__(f"awkward {number}")


def process() -> str:
    """Return what tells this process from all others."""
    return f"{socket.gethostname()} {os.getpid()}"


def product(left: int, right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return left * right."""
    return left * right


def total(large: Large, number: int) -> tuple[str, int, int]:
    """Return this process, how often it has received the value, and a sum that needs the value."""
    return process(), _copies, int(large.numbers.sum()) + number


def received() -> tuple[str, int]:
    """Return this process, and how often it has received a value."""
    return process(), _copies


def interval(seconds: float) -> tuple[str, float, float]:
    """Return this process, and when the task began and ended on its clock."""
    begun = time.monotonic()
    time.sleep(seconds)
    return process(), begun, time.monotonic()


def fail(how: str) -> None:
    """Raise an error of stackkit, one that cannot be unpickled, or SystemExit."""
    if how == "ImageError":
        raise ImageError("task 7: the file is cut")
    if how == "AwkwardError":
        raise AwkwardError(number=7)
    raise SystemExit(7)


def end_process(*_: object) -> None:
    """End the worker without a word, as the system does when memory runs out."""
    os._exit(1)
