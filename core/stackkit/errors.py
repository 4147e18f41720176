"""Every failure a user can meet, each class with the exit code its kind of trouble ends in.

A message is one line that says what was wanted, what came, and what to do next.
"""


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
    except Exception:
        text = "(it fails to say why)"
    return " ".join(f"{type(error).__name__}: {text}".split()).removesuffix(":")
