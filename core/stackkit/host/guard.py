"""What a plugin's import and its answers may not do: print, hang, end the process, or change it.

Each such piece of the process is noted before a stranger's code runs; afterwards it is as it was,
and a line says what had changed.
"""

from __future__ import annotations

import io
import os
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

from stackkit.api.errors import PluginError, one_line, plain
from stackkit.host.guard_patches import modules, planted
from stackkit.host.guard_pieces import PIECES, Undo
from stackkit.host.timeout import time_limit
from stackkit.utils.streams import STDERR, descriptor_1_to

PUT_BACK = "(put back)"
"""How a misdeed ends that was undone."""

MOST_QUOTED = 60
"""More characters than this of what a plugin prints do not fit a line."""

MOST_NAMED = 12
"""More things than this that changed do not fit one either."""

_really_exit = os._exit


@contextmanager
def guarded(whose: str, seconds: float, package: str = "") -> Iterator[list[str]]:
    """Run a block of a stranger's code; the list then says what it should not have done.

    With the name of the stranger's top-level `package`, other modules are watched too.
    """
    misdeeds: list[str] = []
    with _warnings_kept(), _overheard(misdeeds), _no_way_out(whose), _ctrl_c_told_apart():
        undoings, threads = [note() for note in PIECES], set(threading.enumerate())
        if package:
            undoings.append(modules(package))
        try:
            with time_limit(whose, seconds):
                yield misdeeds
        finally:
            if changed := list(_undone(undoings)):
                more = [f"{len(changed) - MOST_NAMED} more"] if len(changed) > MOST_NAMED else []
                misdeeds.append(f"changed {', '.join(changed[:MOST_NAMED] + more)} {PUT_BACK}")
            misdeeds += planted(package) if package else []
            misdeeds += _left_running(threads)


def _left_running(before: set[threading.Thread]) -> list[str]:
    left = sorted(thread.name for thread in set(threading.enumerate()) - before)
    return [f"left threads running: {', '.join(left)}"] if left else []


def _undone(undoings: Iterable[Undo]) -> Iterator[str]:
    for undo in undoings:
        try:
            yield from undo()
        except Exception as error:  # what was changed may be what is needed to change it back
            yield f"what cannot be restored: {one_line(error)}"


@contextmanager
def _warnings_kept() -> Iterator[None]:
    """The filters are as they were afterwards; the warnings are shown then, as they always are."""
    shown: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as shown:
            yield
    finally:
        for each in shown:
            warnings.showwarning(each.message, each.category, each.filename, each.lineno)


class _Ear(io.TextIOWrapper):
    """Stands for all text streams of the process, and is not closed with them."""

    def close(self) -> None:
        """Keep it open: its descriptor is for the process to use."""
        self.flush()


def _new_ear() -> _Ear:
    raw = io.FileIO(os.open(os.devnull, os.O_WRONLY), "w", closefd=False)
    return _Ear(raw, encoding="utf-8", errors="backslashreplace", write_through=True)


_EAR = _new_ear()
"""One for all plugins, since any of them may keep it for good."""


@contextmanager
def _overheard(misdeeds: list[str]) -> Iterator[None]:
    """What is printed is kept and quoted; who holds on to the stream writes to stderr later."""
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), _EAR.fileno())
        names = ("stdout", "stderr", "__stdout__", "__stderr__")
        kept = {name: getattr(sys, name) for name in names}
        try:
            with descriptor_1_to(file.fileno()):
                try:
                    vars(sys).update(dict.fromkeys(names, _EAR))
                    yield
                finally:
                    vars(sys).update(kept)
        finally:
            with suppress(OSError):  # stderr is closed
                os.dup2(STDERR, _EAR.fileno())
            file.seek(0)
            text = plain(file.read(10_000).decode(errors="replace"))
            if text:
                short = text if len(text) <= MOST_QUOTED else f"{text[:MOST_QUOTED]}..."
                misdeeds.append(f"printed {short!r}")


@contextmanager
def _no_way_out(whose: str) -> Iterator[None]:
    """os._exit raises SystemExit instead, and a copy of the process that comes back here is ended."""
    process, inside = os.getpid(), True

    def refuse(status: int) -> None:
        if os.getpid() != process or not inside:
            _really_exit(status)
        raise SystemExit(f"os._exit({status})")

    os._exit = refuse  # type: ignore[assignment]
    try:
        yield
    finally:
        inside = False
        os._exit = _really_exit
        if os.getpid() != process:
            os.write(STDERR, f"error: {whose} made a copy of this process, which ends here\n".encode())
            _really_exit(PluginError.exit_code)


@contextmanager
def _ctrl_c_told_apart() -> Iterator[None]:
    """A KeyboardInterrupt is the user's if there was a Ctrl-C, whatever came of it; else it is none."""
    pressed = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        pressed = True
        raise KeyboardInterrupt

    ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if ours:
        signal.signal(signal.SIGINT, note)
    try:
        yield
    except KeyboardInterrupt as error:
        if pressed or not ours:
            raise
        raise RuntimeError("raised KeyboardInterrupt, and nobody pressed Ctrl-C") from error
    finally:
        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if pressed:
            raise KeyboardInterrupt
