"""Describe a plugin that failed to load so that code can choose a remedy without reading its message."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from stackkit.host.timeout import TimeLimitError

MAX_NAMED = 12
"""Maximum number of changes that one warning names."""

Stage: TypeAlias = Literal["find", "import", "register", "hook", "specs"]
"""Where a plugin can fail, in this order."""

FailureKind: TypeAlias = Literal[
    "missing-module",
    "missing-attribute",
    "syntax",
    "stackkit-version",
    "hookspec-version",
    "name",
    "metadata",
    "timeout",
    "other",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadFailure:
    """Why a plugin failed to load.

    Parameters
    ----------
    kind : str
        One of `FailureKind`, set from the type of the exception or by the host's own checks.
    name : str
        What the failure is about: the missing module or attribute, the file with the syntax error,
        the requirement on stackkit, or "".

    """

    kind: FailureKind = "other"
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginWarning:
    """Something that a plugin should not do while it is loaded, and that does not make it fail."""

    stage: Stage
    reason: str


def listed(names: Sequence[str]) -> str:
    """Return at most `MAX_NAMED` names, separated by commas."""
    more = [f"{len(names) - MAX_NAMED} more"] if len(names) > MAX_NAMED else []
    return ", ".join([*names[:MAX_NAMED], *more])


class PluginLoadError(Exception):
    """A plugin failed at a stage; the host turns it into the plugin's record."""

    def __init__(self, stage: Stage, error: str, failure: LoadFailure | None = None) -> None:
        super().__init__(error)
        self.stage: Stage = stage
        self.error = error
        self.failure = failure or LoadFailure()


def failure_of(error: BaseException) -> LoadFailure:
    """Classify an exception that a plugin's code raised, by its type alone."""
    # Exact types where attributes are read: a subclass may define `name` as a property that raises.
    if type(error) is ModuleNotFoundError:
        return LoadFailure(kind="missing-module", name=str(error.name or ""))
    if type(error) is AttributeError:
        return LoadFailure(kind="missing-attribute", name=str(error.name or ""))
    if type(error) in (SyntaxError, IndentationError, TabError):
        return LoadFailure(kind="syntax", name=str(getattr(error, "filename", None) or ""))
    if isinstance(error, TimeLimitError):
        return LoadFailure(kind="timeout")
    return LoadFailure()
