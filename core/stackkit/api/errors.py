"""Every failure a user can meet, each class with the exit code its kind of trouble ends in.

A message is one line that says what was wanted, what came, and what to do next.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LONGEST = 500
"""More characters than this of a stranger's text are no line any more."""


class StackkitError(Exception):
    """Base of all errors that stackkit reports without a traceback."""

    exit_code = 1


class UsageError(StackkitError):
    """The command line, a component's name or one of its options is wrong."""

    exit_code = 2


class DatasetError(StackkitError):
    """The dataset is missing, cut short or contradicts itself."""

    exit_code = 3


class PluginError(StackkitError):
    """A plugin is broken, clashes with another one, or lacks what it requires."""

    exit_code = 4


class WeightsError(StackkitError):
    """A backbone's pretrained weights are missing, unreadable or do not fit."""

    exit_code = 5


class StoreError(StackkitError):
    """Features cannot be read or kept."""

    exit_code = 6


class ExtractionError(StackkitError):
    """A backbone returned something that cannot be used as features."""

    exit_code = 7


class EvaluationError(StackkitError):
    """The samples cannot be evaluated as asked."""

    exit_code = 8


class ImageError(StackkitError):
    """One image cannot be read; counted and listed, fatal only with `--strict`."""

    exit_code = 9


def one_line(error: BaseException) -> str:
    """The type and text of an exception without line breaks, even if its text cannot be had."""
    try:
        text = str(error)
    except KeyboardInterrupt:
        raise
    except BaseException:  # a __str__ may panic or exit like any other code of a stranger
        text = "(it fails to say why)"
    return plain(f"{type(error).__name__}: {text}").removesuffix(":")


def plain(text: str) -> str:
    """A stranger's text as one line that every terminal shows and none obeys."""
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in " ".join(text.split()))
    return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}..."


@contextmanager
def blaming(name: Callable[[str], StackkitError]) -> Iterator[None]:
    """Whatever a stranger's code raises in the block becomes the error that `name` makes of its text.

    Extensions that panic and code that exits raise no Exception. Only the main thread is sent Ctrl-C:
    a KeyboardInterrupt in another one is the stranger's as well.
    """
    try:
        yield
    except (StackkitError, GeneratorExit):
        raise
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and _is_main_thread():
            raise
        raise name(one_line(error)) from error


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
