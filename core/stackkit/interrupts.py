"""Let a first Ctrl-C wait until the work in hand is finished; a second one does not wait."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

LAST_WORDS = "stopping after the batch in flight; Ctrl-C again stops at once"


@contextmanager
def ctrl_c_waits(tell: Callable[[str], None]) -> Iterator[Callable[[], None]]:
    """Yield a function to call between two pieces of work: it raises KeyboardInterrupt if asked to.

    So does the end of the block. Where Ctrl-C does not mean KeyboardInterrupt (another thread,
    another handler), nothing changes.
    """
    asked = threading.Event()
    speakers: list[threading.Thread] = []

    def keep(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()
        # A handler may have cut into a write to the very stream that `tell` writes to.
        speakers.append(threading.Thread(target=tell, args=[LAST_WORDS]))
        speakers[-1].start()

    def stop_if_asked() -> None:
        if asked.is_set():
            raise KeyboardInterrupt

    ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if ours:
        signal.signal(signal.SIGINT, keep)
    try:
        yield stop_if_asked
    finally:
        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        for speaker in speakers:
            speaker.join()
    stop_if_asked()
