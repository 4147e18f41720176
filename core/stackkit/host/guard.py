"""Protect the process while a third-party plugin is imported and asked what it offers.

Output is captured, a KeyboardInterrupt that the plugin raises is told apart from Ctrl-C, and state
that the run depends on is restored. Nothing else is undone: plugins run in this process and can
harm it in ways that no guard sees (docs/explanation/plugins.md).
"""

from __future__ import annotations

import io
import os
import random
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from types import FrameType
from typing import Any

from stackkit.api.errors import plain
from stackkit.host.heavy_modules import is_loaded
from stackkit.host.load_failure import listed
from stackkit.host.replaced import PluginWatch, still_replaced
from stackkit.host.timeout import time_limit
from stackkit.utils.streams import STDERR, descriptor_1_to

MAX_QUOTED = 60
"""Maximum length of a plugin's output in a warning, in characters."""

_NUMPY_ERRORS = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}
"""`numpy.geterr()` of a NumPy that was just imported."""


@dataclass(slots=True)
class Observations:
    """What a plugin's code did to the process; all but `printed` are names."""

    printed: str = ""
    restored: list[str] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)
    threads: list[str] = field(default_factory=list)

    def reasons(self) -> list[str]:
        """Return one line for each kind of change."""
        lines = []
        if self.restored:
            lines.append(f"changed {listed(self.restored)} (restored)")
        if self.replaced:
            lines.append(f"replaced {listed(self.replaced)} for the whole process (not restored)")
        if self.threads:  # they delay the end of the process
            lines.append(f"left threads running: {listed(self.threads)}")
        return [*lines, f"printed {self.printed!r}"] if self.printed else lines


@contextmanager
def guarded(
    observed: Observations, label: str, seconds: float, package: str, libraries: PluginWatch | None
) -> Iterator[None]:
    """Run third-party code in the block, and note in `observed` what it did to the process.

    `label` names the plugin if its code cannot be interrupted after `seconds`; `package` is its
    top-level module; `libraries` began before the first block of this plugin, or is None where the block
    runs no code of the plugin that could replace a function: to look at all modules takes a while.
    """
    with _warnings_deferred(), _output_captured(observed), _ctrl_c_recognised():
        state, threads = _State(), set(threading.enumerate())
        try:
            # Innermost: the limit must not interrupt what restores the process.
            with time_limit(label, seconds):
                yield
        finally:
            observed.restored += state.restore()
            if libraries is not None:
                observed.replaced += still_replaced(label, libraries.replaced(package))
            observed.threads += sorted(each.name for each in set(threading.enumerate()) - threads)


class _State:
    """Process-wide state as it is now, except for replaced functions."""

    def __init__(self) -> None:
        self.environ, self.path, self.random = dict(os.environ), list(sys.path), random.getstate()
        self.folder = _working_directory()
        numpy = _numpy()
        self.numpy_random = _numpy_random(numpy)
        self.numpy_errors = numpy.geterr() if numpy else _NUMPY_ERRORS

    def restore(self) -> list[str]:
        """Restore the state; return the names of what had changed."""
        changed = [f"os.environ[{name!r}]" for name in self._restore_environ()]
        if sys.path != self.path:
            sys.path[:] = self.path
            changed.append("sys.path")
        if self.folder and _working_directory() != self.folder:
            with suppress(OSError):  # the plugin may have removed the folder
                os.chdir(self.folder)
            changed.append("the working directory")
        if random.getstate() != self.random:
            random.setstate(self.random)
            changed.append("the random state")
        return changed + self._restore_numpy()

    def _restore_environ(self) -> list[str]:
        before, now = self.environ, dict(os.environ)
        names = sorted(before.keys() | now.keys())
        changed = [name for name in names if before.get(name) != now.get(name)]
        for name in changed:
            os.environ.pop(name, None)
        os.environ.update({name: before[name] for name in changed if name in before})
        return changed

    def _restore_numpy(self) -> list[str]:
        changed: list[str] = []
        if (numpy := _numpy()) is None:
            return changed
        if numpy.geterr() != self.numpy_errors:
            numpy.seterr(**self.numpy_errors)
            changed.append("NumPy's error handling")
        if self.numpy_random is None:
            # The plugin imported NumPy. Only a generator that was seeded has no seed sequence.
            if numpy.random.get_bit_generator().seed_seq is None:
                numpy.random.seed()
                changed.append("NumPy's random state")
        elif _numpy_random(numpy) != self.numpy_random:
            numpy.random.set_state(self.numpy_random)
            changed.append("NumPy's random state")
        return changed


def _working_directory() -> str:
    try:
        return os.getcwd()  # noqa: PTH109  # as text, because it need not exist
    except OSError:
        return ""


def _numpy() -> Any:
    """NumPy if it has been imported and executed, else None: the guard does not import it."""
    module = sys.modules.get("numpy")
    return module if is_loaded(module) and hasattr(module, "random") else None


def _numpy_random(numpy: Any) -> tuple[Any, ...] | None:
    if numpy is None:
        return None
    name, key, *rest = numpy.random.get_state()
    return name, tuple(key.tolist()), *rest  # arrays have no single answer to ==


@contextmanager
def _warnings_deferred() -> Iterator[None]:
    """Show warnings after the block, where stderr is the user's; restore the filters."""
    shown: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as shown:
            yield
    finally:
        for each in shown:
            warnings.showwarning(each.message, each.category, each.filename, each.lineno)


class _Stream(io.TextIOWrapper):
    """A text stream that stays open when plugins close it."""

    def close(self) -> None:
        """Flush instead."""
        self.flush()


@cache
def _stream() -> _Stream:
    """The stream that replaces stdout and stderr in all guarded blocks.

    A logging handler that is made at import keeps it for good. So it has a descriptor of its own,
    which is pointed at a file during a block and at stderr afterwards.
    """
    raw = io.FileIO(os.open(os.devnull, os.O_WRONLY), "w", closefd=False)
    return _Stream(raw, encoding="utf-8", errors="backslashreplace", write_through=True)


@contextmanager
def _output_captured(observed: Observations) -> Iterator[None]:
    """Keep output off stdout and stderr: that of Python, and what C and child processes print to 1."""
    stream = _stream()
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), stream.fileno())
        names = ("stdout", "stderr", "__stdout__", "__stderr__")
        kept = {name: getattr(sys, name) for name in names}
        try:
            with descriptor_1_to(file.fileno()):
                try:
                    vars(sys).update(dict.fromkeys(names, stream))
                    yield
                finally:
                    vars(sys).update(kept)
        finally:
            with suppress(OSError):  # stderr is closed
                os.dup2(STDERR, stream.fileno())
            file.seek(0)
            text = plain(file.read(10_000).decode(errors="replace"))
            observed.printed = text if len(text) <= MAX_QUOTED else f"{text[:MAX_QUOTED]}..."


@contextmanager
def _ctrl_c_recognised() -> Iterator[None]:
    """Raise KeyboardInterrupt if and only if the user pressed Ctrl-C, even if a plugin caught it."""
    pressed = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        pressed = True
        raise KeyboardInterrupt

    # Python runs handlers in the main thread alone; a host with a handler of its own keeps it.
    is_ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    )
    if is_ours:
        signal.signal(signal.SIGINT, note)
    try:
        yield
    except KeyboardInterrupt as error:
        if pressed or not is_ours:
            raise
        raise RuntimeError("raised KeyboardInterrupt, but Ctrl-C was not pressed") from error
    finally:
        if is_ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if pressed:
            raise KeyboardInterrupt
