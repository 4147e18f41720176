"""All failures that a user can meet, each class with its exit code.

A message is one line: what is wrong, the value, what is allowed, and what to do next.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LONGEST = 500
"""Maximum length of plugin text in a message, in characters."""


class StackkitError(Exception):
    """Base class of all errors that stackkit reports in one line, without a traceback.

    Attributes
    ----------
    exit_code : int
        Exit code of the command that the error ends.

    """

    exit_code = 1


class UsageError(StackkitError):
    """The command line, the name of a component or one of its options is invalid."""

    exit_code = 2


class DatasetError(StackkitError):
    """A dataset is missing, incomplete or inconsistent."""

    exit_code = 3


class PluginError(StackkitError):
    """A plugin is broken, conflicts with another plugin, or misses something that it requires."""

    exit_code = 4


class WeightsError(StackkitError):
    """The pretrained weights of a backbone are missing, unreadable or do not fit the network."""

    exit_code = 5


class StoreError(StackkitError):
    """Features cannot be read or written."""

    exit_code = 6


class ExtractionError(StackkitError):
    """A backbone returned something that cannot be used as features."""

    exit_code = 7


class EvaluationError(StackkitError):
    """The samples cannot be evaluated with the requested settings."""

    exit_code = 8


class ImageError(StackkitError):
    """One image cannot be read.

    stackkit counts and lists these images and leaves them out; with `--strict` the first one ends the
    command.
    """

    exit_code = 9


class ImageMemoryError(StackkitError):
    """An image does not fit in memory, although nothing else was decoded at the time."""

    exit_code = 10


class BundleError(StackkitError):
    """A file with a trained stack cannot be written, or is refused because it is not safe to use.

    Nothing in such a file is ever executed, whatever it contains.
    """

    exit_code = 11


class ExecutorError(StackkitError):
    """What carries out tasks cannot be used: a cluster is not reached, or its workers do not fit."""

    exit_code = 12


class WorkerDiedError(ExecutorError):
    """A worker ended before its task did: it was killed, or its machine stopped or ran out of memory."""


def _put_before(error: StackkitError, component: str) -> None:
    """Name a component at the beginning of an error, unless the error names it."""
    text = str(error)
    name = component.partition(" ")[2].partition(":")[0]
    if component and not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text):
        error.args = (f"{component}: {text}",)


def one_line(error: BaseException) -> str:
    """Return "TypeName: text" of an exception as one printable line."""
    try:
        text = str(error)
    except KeyboardInterrupt:
        raise
    except BaseException:  # __str__ is plugin code: it may panic or exit like any other
        text = "(its text is not available: __str__ raises an exception)"
    return plain(f"{type(error).__name__}: {text}").removesuffix(":")


def plain(text: str) -> str:
    """Escape control characters; return one line of at most `LONGEST` characters."""
    # Escape sequences in text of a plugin could otherwise move the cursor or clear the terminal.
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in " ".join(text.split()))
    return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}..."


@contextmanager
def blaming(name: Callable[[str], StackkitError], component: str = "") -> Iterator[None]:
    """Turn every exception that plugin code raises in the block into a StackkitError.

    Parameters
    ----------
    name : callable
        Takes the exception as one line of text and returns the error to raise.
    component : str
        Name of the component that the code belongs to, with options, such as "learner logistic:C=0".

    Notes
    -----
    A StackkitError stays what it is, since the plugin raised it on purpose; `component` is put before
    its text unless that names it already. An ImageError belongs to an image, which is named beside it.

    """
    try:
        yield
    except (ImageError, GeneratorExit):
        raise
    except StackkitError as error:
        _put_before(error, component)
        raise
    except BaseException as error:
        # Extensions that panic and code that calls sys.exit() raise no subclass of Exception. Python
        # delivers Ctrl-C to the main thread only: a KeyboardInterrupt elsewhere comes from the plugin.
        is_ctrl_c = isinstance(error, KeyboardInterrupt)
        if is_ctrl_c and threading.current_thread() is threading.main_thread():
            raise
        raise name(one_line(error)) from error
