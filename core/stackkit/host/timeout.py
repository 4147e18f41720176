"""Stop code that does not come back; where it cannot be stopped, say whose it is and end the process."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

from stackkit.api.errors import PluginError, UsageError

PLUGIN_S = 10.0
"""STACKKIT_PLUGIN_TIMEOUT unless the user sets it: of each import, and of each answer."""

PROMISE_S = 120.0
"""What one promise may take unless somebody says otherwise: a large network on two old cores."""

TRIES = 10
AGAIN_S = 0.5
"""So often, so far apart, is code interrupted that catches whatever it is sent."""


_exit = os._exit  # guards put another one in its place while a stranger's code runs


class TimeLimitError(TimeoutError):
    """The block of a `time_limit` took too long."""


class _Overtime(BaseException):
    """Raised inside the code that takes too long; no `except Exception` of its own stops it."""


def plugin_seconds(environ: Mapping[str, str]) -> float:
    """How long a plugin may take to be imported, and for each answer; 0: as long as it likes."""
    text = environ.get("STACKKIT_PLUGIN_TIMEOUT", "")
    try:
        seconds = float(text) if text else PLUGIN_S
    except ValueError:
        seconds = -1
    if not 0 <= seconds < threading.TIMEOUT_MAX:
        raise UsageError(
            f"STACKKIT_PLUGIN_TIMEOUT={text}: a number of seconds is wanted, 0 for no limit"
        )
    return seconds


@contextmanager
def time_limit(whose: str, seconds: float) -> Iterator[None]:
    """Raise TimeLimitError inside the block after so many seconds; 0: never.

    Code that cannot be interrupted, for it waits inside C, keeps Ctrl-C away as well: then a line
    on stderr says `whose` it is, and the process ends.
    """
    if not seconds:
        yield
        return
    watchdog = _Watchdog(whose, seconds)
    try:
        try:
            yield
        finally:
            watchdog.stop()
    except _Overtime:
        watchdog.stop()  # the first call may be where the exception came up
        raise TimeLimitError(
            f"not done after {seconds:g} s; STACKKIT_PLUGIN_TIMEOUT sets another limit, 0 sets none"
        ) from None


class _Watchdog:
    """A thread that interrupts the one which made it."""

    def __init__(self, whose: str, seconds: float) -> None:
        self._whose, self._seconds = whose, seconds
        self._done = threading.Event()
        self._watched = threading.get_ident()
        # A signal wakes the main thread also from waiting; other threads can be sent an exception only.
        self._by_signal = (
            hasattr(signal, "pthread_kill") and threading.current_thread() is threading.main_thread()
        )
        if self._by_signal:
            self._before = signal.signal(signal.SIGALRM, self._ring)
        self._thread = threading.Thread(target=self._watch, name="stackkit-watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """After this nothing is interrupted any more."""
        self._done.set()
        self._thread.join()
        if self._by_signal:
            signal.signal(signal.SIGALRM, self._before or signal.SIG_DFL)
        else:
            _send(self._watched, None)

    def _watch(self) -> None:
        if self._done.wait(self._seconds):
            return
        for _ in range(TRIES):
            self._interrupt()
            if self._done.wait(AGAIN_S):
                return
        seconds = self._seconds + TRIES * AGAIN_S
        line = (
            f"error: {self._whose} is not done after {seconds:g} s and cannot be interrupted; "
            "uninstall it, or leave it out by STACKKIT_PLUGINS or --no-plugins\n"
        )
        os.write(2, line.encode())
        _exit(PluginError.exit_code)

    def _interrupt(self) -> None:
        if self._by_signal:
            signal.pthread_kill(self._watched, signal.SIGALRM)
        else:
            _send(self._watched, _Overtime)

    def _ring(self, number: int, frame: FrameType | None) -> None:
        if not self._done.is_set():
            raise _Overtime


def _send(thread: int, exception: type[BaseException] | None) -> None:
    """Raise an exception in another thread at its next step of Python; None takes it back."""
    import ctypes

    what = None if exception is None else ctypes.py_object(exception)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), what)
