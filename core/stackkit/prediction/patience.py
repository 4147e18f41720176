"""Show what somebody says while one has to wait, and not if everything is done at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

PATIENCE_S = 2.0
"""Opening a network that this machine knows takes less."""


class WhileWaiting(AbstractContextManager["WhileWaiting"]):
    """A function that shows lines once the block has lasted for some time; use it in a `with` statement.

    Lines of a block that ends before are dropped. Lines after the block are shown at once: something has
    gone wrong in later work.

    Parameters
    ----------
    show : callable
        Shows one line to the user. It may be called from another thread.
    patience_s : float
        How long the user waits without an explanation, in seconds.

    """

    def __init__(self, show: Callable[[str], None], patience_s: float = PATIENCE_S) -> None:
        self._show = show
        self._lock = threading.Lock()
        self._kept: list[str] | None = []
        self._timer = threading.Timer(patience_s, self._release)
        self._timer.daemon = True

    def __enter__(self) -> WhileWaiting:
        self._timer.start()
        return self

    def __exit__(self, kind: object, *error: object) -> None:
        self._timer.cancel()
        self._release(drop=kind is None)

    def __call__(self, text: str) -> None:
        """Show a line now or later."""
        with self._lock:
            if self._kept is not None:
                self._kept.append(text)
                return
        self._show(text)

    def _release(self, *, drop: bool = False) -> None:
        with self._lock:
            kept, self._kept = self._kept or [], None
            for text in () if drop else kept:
                self._show(text)
