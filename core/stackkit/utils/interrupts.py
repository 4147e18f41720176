"""Let a first Ctrl-C wait until the work in hand is finished; a second one does not wait."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from types import FrameType

IN_FLIGHT = "stopping after the batch in flight; Ctrl-C again stops at once"


@contextmanager
def ctrl_c_waits(
    tell: Callable[[str], None], last_words: str = IN_FLIGHT
) -> Iterator[Callable[[], None]]:
    """Yield a function to call between two pieces of work: it raises KeyboardInterrupt if asked to.

    So does the end of the block. `last_words` say what is finished first. Where Ctrl-C does not mean
    KeyboardInterrupt (another thread, another handler), nothing changes.
    """
    asked = False
    words: SimpleQueue[str | None] = SimpleQueue()

    def keep(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        words.put(last_words)  # of all queues this one alone may be filled by a signal handler

    def speak() -> None:
        for text in iter(words.get, None):
            tell(text)

    def stop_if_asked() -> None:
        if asked:
            raise KeyboardInterrupt

    ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    # A thread speaks, for the handler may have cut into a write to the very stream that `tell` uses.
    speaker = threading.Thread(target=speak, daemon=True)
    if ours:
        speaker.start()
        signal.signal(signal.SIGINT, keep)
    try:
        yield stop_if_asked
    finally:
        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            words.put(None)
            speaker.join()
    stop_if_asked()
