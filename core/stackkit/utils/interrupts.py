"""Delay a first Ctrl-C until the current piece of work is finished; a second one stops at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from types import FrameType

IN_FLIGHT = "stopping after the current batch; press Ctrl-C again to stop at once"


class Interrupted(KeyboardInterrupt):
    """Ctrl-C after which the user needs to know something else than usual, which is its text."""


class StopAtOnce(KeyboardInterrupt):
    """The second Ctrl-C: unlike after the first one, nothing in progress may be waited for."""


@contextmanager
def ctrl_c_waits(
    tell: Callable[[str], None], last_words: str = IN_FLIGHT
) -> Iterator[Callable[[], None]]:
    """Delay the first Ctrl-C in the block; a second one raises StopAtOnce.

    Parameters
    ----------
    tell : callable
        Shows one line of text to the user. It is called from another thread.
    last_words : str
        The line to show after the first Ctrl-C: what will be finished first.

    Yields
    ------
    callable
        Call it between two pieces of work: it raises KeyboardInterrupt after a Ctrl-C. The end of the
        block raises it too.

    Notes
    -----
    Nothing is delayed in threads other than the main thread, or if SIGINT has another handler than
    Python's own.

    """
    pressed = False
    messages: SimpleQueue[str | None] = SimpleQueue()

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        if pressed:
            raise StopAtOnce
        pressed = True
        messages.put(last_words)  # SimpleQueue.put is reentrant; Queue.put in a handler can deadlock

    def report() -> None:
        for text in iter(messages.get, None):
            tell(text)

    def stop_if_asked() -> None:
        if pressed:
            raise KeyboardInterrupt

    ours = (
        threading.current_thread() is threading.main_thread()
        # Another handler belongs to the program that uses stackkit as a library: leave it alone.
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    # Report from a thread: the handler may interrupt a write to the same stream that `tell` uses.
    reporter = threading.Thread(target=report, daemon=True)
    if ours:
        reporter.start()
        signal.signal(signal.SIGINT, handle)
    try:
        yield stop_if_asked
    finally:
        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            messages.put(None)
            reporter.join()
    stop_if_asked()  # also if the last piece of work was under way
