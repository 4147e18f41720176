"""What belongs to all plugins of a process: how each piece is noted, compared and put back."""

from __future__ import annotations

import gc
import locale
import logging
import os
import random
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from stackkit.host.heavy_modules import is_loaded

Undo = Callable[[], list[str]]
"""Puts a piece of global state back; the names of what had changed."""

Note = Callable[[], Undo]


def _module(name: str) -> Any:
    """A module that is there and whole, else None: neither is worth an import that takes long."""
    module = sys.modules.get(name)
    return module if is_loaded(module) else None


def _setting(name: str, read: Callable[[], Any], write: Callable[[Any], object]) -> Undo:
    """A piece that is one value."""
    before = read()

    def undo() -> list[str]:
        if read() == before:
            return []
        write(before)
        return [name]

    return undo


def _of(module: str, function: str, unless: Any) -> Callable[[], Any]:
    """What a function of a module answers, `unless` nobody has imported it."""
    return lambda: getattr(found, function)() if (found := _module(module)) else unless


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _is_alarm_set() -> bool:
    return hasattr(signal, "getitimer") and signal.getitimer(signal.ITIMER_REAL)[0] > 0


def _environ() -> Undo:
    before = dict(os.environ)

    def undo() -> list[str]:
        now = dict(os.environ)
        changed = sorted(
            name for name in before.keys() | now.keys() if before.get(name) != now.get(name)
        )
        for name in changed:
            os.environ.pop(name, None)
        os.environ.update({name: before[name] for name in changed if name in before})
        return [f"os.environ[{name!r}]" for name in changed]

    return undo


def _list_of_sys(name: str) -> Undo:
    kept: list[Any] = getattr(sys, name)
    before = list(kept)

    def undo() -> list[str]:
        if getattr(sys, name) is kept and kept == before:
            return []
        kept[:] = before
        setattr(sys, name, kept)
        return [f"sys.{name}"]

    return undo


def _folder() -> Undo:
    try:
        before = os.getcwd()  # noqa: PTH109  # as text, since it need not exist
    except OSError:  # it has been removed
        return list

    def undo() -> list[str]:
        with suppress(OSError):
            if os.getcwd() == before:  # noqa: PTH109
                return []
        os.chdir(before)
        return ["the working directory"]

    return undo


def _filters() -> Undo:
    before = list(warnings.filters)

    def undo() -> list[str]:  # catch_warnings puts them back
        return [] if list(warnings.filters) == before else ["the warnings filters"]

    return undo


def _logging() -> Undo:
    manager = logging.root.manager
    loggers = [logging.root, *(x for x in manager.loggerDict.values() if isinstance(x, logging.Logger))]
    before = {logger: _settings(logger) for logger in loggers}  # a new one is its own affair
    disabled = manager.disable

    def undo() -> list[str]:
        changed = [logger.name for logger in loggers if _settings(logger) != before[logger]]
        for logger in loggers:
            level, logger.propagate, logger.disabled, handlers, filters = before[logger]
            logger.handlers[:], logger.filters[:] = handlers, filters
            if logger.level != level:
                logger.setLevel(level)
        if manager.disable != disabled:
            logging.disable(disabled)
            changed.append("disable")
        return [f"logging ({', '.join(changed)})"] if changed else []

    return undo


def _settings(logger: logging.Logger) -> tuple[Any, ...]:
    handlers, filters = list(logger.handlers), list(logger.filters)
    return logger.level, logger.propagate, logger.disabled, handlers, filters


def _numpys_random() -> Undo:
    before = _numpys_state()

    def undo() -> list[str]:
        now, numpy = _numpys_state(), _module("numpy")
        if now == before or numpy is None:
            return []
        if before is not None:
            numpy.random.set_state(before)
        elif numpy.random.get_bit_generator().seed_seq is None:
            numpy.random.seed()  # it came with the plugin; whoever seeds takes its SeedSequence away
        else:
            return []
        return ["NumPy's random state"]

    return undo


def _numpys_state() -> tuple[Any, ...] | None:
    """The state of NumPy's global generator, comparable; None if NumPy has not been imported."""
    if (numpy := _module("numpy")) is None or not hasattr(numpy, "random"):
        return None
    name, key, *rest = numpy.random.get_state()
    return name, tuple(key.tolist()), *rest


def _handlers() -> Undo:
    before = {number: signal.getsignal(number) for number in signal.valid_signals()}

    def undo() -> list[str]:
        changed = [number for number in before if signal.getsignal(number) != before[number]]
        for number in changed:
            signal.signal(number, before[number])
        return [f"the handler of {signal.Signals(number).name}" for number in changed]

    return undo


def _streams() -> Undo:
    names = ("stdin", "stdout", "stderr", "__stdin__", "__stdout__", "__stderr__")
    before = {name: getattr(sys, name) for name in names}

    def undo() -> list[str]:
        changed = [name for name in names if getattr(sys, name, None) is not before[name]]
        vars(sys).update(before)
        return [f"sys.{name}" for name in changed]

    return undo


def _descriptors() -> Undo:
    """Those of stdin, stdout, stderr: the next file that is opened would take a closed one's place."""
    before = {number: (_file(number), os.dup(number)) for number in (0, 1, 2) if _file(number)}

    def undo() -> list[str]:
        changed = [number for number, (file, _) in before.items() if _file(number) != file]
        for number, (_, kept) in before.items():
            if number in changed:
                os.dup2(kept, number)
            os.close(kept)
        return [f"descriptor {number}" for number in changed]

    return undo


def _file(descriptor: int) -> tuple[int, int] | None:
    try:
        found = os.fstat(descriptor)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _setting_notes() -> Sequence[Note]:
    all_of_it = partial(locale.setlocale, locale.LC_ALL)
    numpys = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}
    return [
        partial(_setting, name, read, write)
        for name, read, write in (
            ("the locale", all_of_it, all_of_it),
            ("the random state", random.getstate, random.setstate),
            ("the mask of file modes", _umask, os.umask),
            ("the recursion limit", sys.getrecursionlimit, sys.setrecursionlimit),
            ("garbage collection", gc.isenabled, lambda on: gc.enable() if on else gc.disable()),
            ("sys.settrace", sys.gettrace, sys.settrace),
            ("sys.setprofile", sys.getprofile, sys.setprofile),
            ("the alarm", _is_alarm_set, lambda _: signal.setitimer(signal.ITIMER_REAL, 0)),
            (
                "the default timeout of sockets",
                _of("socket", "getdefaulttimeout", None),
                lambda seconds: sys.modules["socket"].setdefaulttimeout(seconds),
            ),
            (
                "NumPy's handling of errors",
                _of("numpy", "geterr", numpys),
                lambda handling: sys.modules["numpy"].seterr(**handling),
            ),
        )
    ]


PIECES: Sequence[Note] = (
    _environ,
    partial(_list_of_sys, "path"),
    partial(_list_of_sys, "path_hooks"),
    partial(_list_of_sys, "meta_path"),
    _folder,
    _filters,
    _logging,
    _numpys_random,
    *_setting_notes(),
    _handlers,
    _streams,
    _descriptors,
)
"""Notes of all pieces."""
