"""What a plugin's import and its answers may not do: print, hang, or change what belongs to all.

Each such piece of the process is noted before a stranger's code runs; afterwards it is as it was,
and a line says what had changed.
"""

from __future__ import annotations

import io
import locale
import logging
import os
import random
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import Any

from stackkit.streams import descriptor_1_to
from stackkit.timelimit import time_limit

MOST_QUOTED = 60
"""More characters than this of what a plugin prints do not fit a line."""

Undo = Callable[[], list[str]]
"""Puts a piece of global state back; the names of what had changed."""


@contextmanager
def guarded(whose: str, seconds: float) -> Iterator[list[str]]:
    """Run a block of a stranger's code; the list then says what it should not have done."""
    misdeeds: list[str] = []
    with _warnings_kept(), _overheard(misdeeds):
        undoings = [note() for note in (_environ, _path, _folder, _locale, _filters, _logging, _random)]
        try:
            with time_limit(whose, seconds):
                yield misdeeds
        finally:
            if changed := [name for undo in undoings for name in undo()]:
                misdeeds.append(f"changed {', '.join(changed)} (put back)")


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


class _Ear(io.StringIO):
    """Keeps what is written while it listens; whoever held on to it writes to stderr later."""

    listens = True

    def write(self, text: str) -> int:
        return super().write(text) if self.listens else sys.stderr.write(text)


@contextmanager
def _overheard(misdeeds: list[str]) -> Iterator[None]:
    ear = _Ear()
    try:
        with tempfile.TemporaryFile() as file:
            try:
                with redirect_stdout(ear), redirect_stderr(ear), descriptor_1_to(file.fileno()):
                    yield
            finally:
                file.seek(0)
                printed = ear.getvalue() + file.read().decode(errors="replace")
                if text := " ".join(printed.split()):
                    short = text if len(text) <= MOST_QUOTED else f"{text[:MOST_QUOTED]}..."
                    misdeeds.append(f"printed {short!r}")
    finally:
        ear.listens = False


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


def _path() -> Undo:
    path, before = sys.path, list(sys.path)

    def undo() -> list[str]:
        if sys.path is path and path == before:
            return []
        sys.path, path[:] = path, before
        return ["sys.path"]

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


def _locale() -> Undo:
    before = locale.setlocale(locale.LC_ALL)

    def undo() -> list[str]:
        if locale.setlocale(locale.LC_ALL) == before:
            return []
        locale.setlocale(locale.LC_ALL, before)
        return ["the locale"]

    return undo


def _filters() -> Undo:
    before, show = list(warnings.filters), warnings.showwarning

    def undo() -> list[str]:  # catch_warnings puts both back
        same = list(warnings.filters) == before and warnings.showwarning is show
        return [] if same else ["the warnings filters"]

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


def _random() -> Undo:
    before, numpys = random.getstate(), _numpys_state()

    def undo() -> list[str]:
        changed = []
        if random.getstate() != before:
            random.setstate(before)
            changed.append("the random state")
        if (numpy := sys.modules.get("numpy")) is None or not hasattr(numpy, "random"):
            return changed
        if numpys is None:  # it came with the plugin; whoever seeds it takes its SeedSequence away
            if numpy.random.get_bit_generator().seed_seq is None:
                numpy.random.seed()
                changed.append("NumPy's random state")
        elif _numpys_state() != numpys:
            numpy.random.set_state(numpys)
            changed.append("NumPy's random state")
        return changed

    return undo


def _numpys_state() -> tuple[Any, ...] | None:
    """The state of NumPy's global generator, comparable; None if NumPy has not been imported."""
    if (numpy := sys.modules.get("numpy")) is None or not hasattr(numpy, "random"):
        return None
    name, key, *rest = numpy.random.get_state()
    return name, tuple(key.tolist()), *rest
