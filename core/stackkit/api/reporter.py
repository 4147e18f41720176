"""Progress and messages of long tasks, for a terminal or a log."""

from __future__ import annotations

from typing import Literal, Protocol

Unit = Literal["items", "bytes"]


class Reporter(Protocol):
    """Receives progress and messages, for a terminal or a log."""

    def start(self, task: str, total: int, done: int = 0, unit: Unit = "items") -> None:
        """Announce a task.

        Parameters
        ----------
        task : str
            Name of the task.
        total : int
            Number of items or bytes of the whole task.
        done : int, default 0
            Number of items or bytes that an earlier run finished.
        unit : {"items", "bytes"}, default "items"
            What is counted.

        """

    def advance(self, task: str, count: int) -> None:
        """Report progress.

        Parameters
        ----------
        task : str
            Name of a task that was announced by `start`.
        count : int
            Number of items or bytes finished since the last call.

        """

    def message(self, text: str) -> None:
        """Show one line of text to the user.

        Parameters
        ----------
        text : str
            The line.

        """


class SilentReporter:
    """A reporter that ignores everything."""

    def start(self, task: str, total: int, done: int = 0, unit: Unit = "items") -> None:
        """Do nothing."""

    def advance(self, task: str, count: int) -> None:
        """Do nothing."""

    def message(self, text: str) -> None:
        """Do nothing."""
