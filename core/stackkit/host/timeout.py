"""Limit how long a plugin's code may take, and end the process if that code cannot be interrupted."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

from stackkit.api.errors import PluginError, UsageError

PLUGIN_S = 10.0
"""Default of STACKKIT_PLUGIN_TIMEOUT in seconds: the limit of each import and of each hook."""

TRIES = 10
AGAIN_S = 0.5
"""How often, and with how many seconds in between, code that catches the interruption is interrupted."""


class TimeLimitError(TimeoutError):
    """The block of a `time_limit` took too long."""


class _Overtime(BaseException):
    """Raised in code that takes too long, where `except Exception` does not catch it."""


def plugin_seconds(environ: Mapping[str, str]) -> float:
    """Return STACKKIT_PLUGIN_TIMEOUT in seconds, 0 for no limit; raise UsageError if it is invalid."""
    text = environ.get("STACKKIT_PLUGIN_TIMEOUT", "")
    try:
        seconds = float(text) if text else PLUGIN_S
    except ValueError:
        seconds = -1
    if not 0 <= seconds < threading.TIMEOUT_MAX:
        raise UsageError(
            f"STACKKIT_PLUGIN_TIMEOUT must be a number of seconds, or 0 for no limit; got {text!r}"
        )
    return seconds


@contextmanager
def time_limit(label: str, seconds: float) -> Iterator[None]:
    """Limit the duration of a block.

    Parameters
    ----------
    label : str
        Names the code in the message if it cannot be interrupted.
    seconds : float
        0 for no limit.

    Raises
    ------
    TimeLimitError
        In the block, after `seconds`.

    Notes
    -----
    Code that waits inside C cannot be interrupted, by Ctrl-C either. After `TRIES` attempts a line
    on stderr names it, and the process ends with the exit code of PluginError.

    """
    if not seconds:
        yield
        return
    watchdog = _Watchdog(label, seconds)
    try:
        try:
            yield
        finally:
            watchdog.stop()
    except _Overtime:
        watchdog.stop()  # again: the exception may have been raised inside the first call
        raise TimeLimitError(
            f"not done after {seconds:g} s; change the limit with STACKKIT_PLUGIN_TIMEOUT (0: no limit)"
        ) from None


class _Watchdog:
    """A thread that interrupts the thread which made it."""

    def __init__(self, label: str, seconds: float) -> None:
        self._label, self._seconds = label, seconds
        self._done = threading.Event()
        self._watched = threading.get_ident()
        # A signal ends system calls such as sleep, but Python runs handlers in the main thread only.
        # In another thread an exception can be raised, once that thread runs Python code again.
        self._by_signal = (
            hasattr(signal, "pthread_kill") and threading.current_thread() is threading.main_thread()
        )
        if self._by_signal:
            self._before = signal.signal(signal.SIGALRM, self._ring)
        self._thread = threading.Thread(target=self._watch, name="stackkit-watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop interrupting; safe to call twice."""
        self._done.set()
        self._thread.join()
        if self._by_signal:
            # `signal` returned None if the handler was not installed from Python.
            signal.signal(signal.SIGALRM, self._before or signal.SIG_DFL)
        else:
            _send(self._watched, None)  # an exception that is still pending would hit later code

    def _watch(self) -> None:
        if self._done.wait(self._seconds):
            return
        for _ in range(TRIES):
            self._interrupt()
            if self._done.wait(AGAIN_S):
                return
        seconds = self._seconds + TRIES * AGAIN_S
        line = (
            f"error: {self._label} is not done after {seconds:g} s and cannot be interrupted; "
            "uninstall it, or exclude it with --disable-plugin or --no-plugins\n"
        )
        # Not sys.stderr and sys.exit: the main thread may hold the stream's lock, and never ends.
        os.write(2, line.encode())
        os._exit(PluginError.exit_code)

    def _interrupt(self) -> None:
        if self._by_signal:
            signal.pthread_kill(self._watched, signal.SIGALRM)
        else:
            _send(self._watched, _Overtime)

    def _ring(self, number: int, frame: FrameType | None) -> None:
        if not self._done.is_set():  # a signal may arrive after the block has ended
            raise _Overtime


def _send(thread: int, exception: type[BaseException] | None) -> None:
    """Raise an exception in another thread at its next bytecode; None cancels one that is pending."""
    import ctypes  # slow to import, and rarely needed

    what = None if exception is None else ctypes.py_object(exception)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), what)
