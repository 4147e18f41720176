"""Select engines in a process of its own.

A selection has TensorFlow and another engine in memory at once, and an engine may crash on a network
that it does not support. Neither must affect the process that extracts features.

One process selects for all backbones of a run, because importing TensorFlow takes longer than
converting a network. It ends when the first features are extracted.
"""

from __future__ import annotations

import atexit
import functools
import gc
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import IO, TYPE_CHECKING, Any

import stackkit.api
from stackkit.api import ExtractionError, StackkitError
from stackkit_plugins.shared.keras_network.engine_cache import EngineSelection
from stackkit_plugins.shared.keras_network.network import NetworkDefinition
from stackkit_plugins.shared.keras_network.selection import EngineSelector

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


_LIMIT_S = 1800
"""Time limit of one selection, which takes seconds, or minutes for the largest networks."""

# TensorFlow imports Keras, and Keras imports these where they are installed, for functions that are
# not used here. They take a third of the time.
_UNNEEDED = ("matplotlib", "pandas", "sklearn")

_running: _Process | None = None


class SelectionProcessError(ExtractionError):
    """The process ended without an answer."""


def select_in_process(selector: EngineSelector, images: NDArray[np.uint8]) -> EngineSelection:
    """Run `EngineSelector.select` in the other process, which is started unless it is running.

    Parameters
    ----------
    selector : EngineSelector
        Its definition, cache and number of images are sent to the other process. Its `report` is called
        in this process with every line that the other process reports.
    images : ndarray of shape (n, size, size, 3), uint8
        Sample images.

    Raises
    ------
    StackkitError
        The error that was raised in the other process, which can still be used.
    SelectionProcessError
        If the other process crashed or exceeded the time limit.

    """
    start(selector.definition)
    process = _running
    assert process is not None
    try:
        # Pickle carries functions by name, so the other process builds the network with the same code.
        request = pickle.dumps((selector.definition, selector.cache, selector.images, images))
        return process.answer(request, selector)
    except BaseException as error:
        # Errors that it reported itself leave it as it was. After others, such as Ctrl-C, it is busy or
        # broken.
        if isinstance(error, SelectionProcessError) or not isinstance(error, StackkitError):
            end()
            selector.cache.sweep()  # its half-converted network is left behind
        raise


def start(definition: NetworkDefinition) -> None:
    """Start the process that will select an engine for this network, unless it is running.

    It imports TensorFlow at once, so the earlier it is started, the less has to be waited for.
    """
    global _running
    # Another number of threads needs another process: TensorFlow cannot change it. So do other
    # variables of the environment, which a process keeps from its start.
    conditions = (sys.executable, definition.settings.threads, dict(os.environ))
    if _running and (_running.conditions != conditions or not _running.is_alive):
        end()
    if _running is None:
        _running = _Process(conditions)


def end() -> None:
    """End the process, if there is one, and release its memory."""
    global _running
    process, _running = _running, None
    if process:
        process.end()


atexit.register(end)


class _Process:
    """A running process of `serve`.

    Parameters
    ----------
    conditions : tuple
        What it depends on: interpreter, number of threads and environment.

    """

    def __init__(self, conditions: tuple[str, int, dict[str, str]]) -> None:
        self.conditions = conditions
        interpreter, threads, _ = conditions
        # -P: nothing is imported from the current folder, which is the user's.
        command = [interpreter, "-P", "-c", f"from {__name__} import serve; serve({threads})"]
        # A session of its own makes it the leader of a process group, which can be killed as a whole: it
        # may have started a converter. It also keeps the terminal's Ctrl-C away from it, which only this
        # process should handle.
        self._process = subprocess.Popen(  # noqa: S603
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def answer(self, request: bytes, selector: EngineSelector) -> EngineSelection:
        """Return the answer to a request; see `select_in_process` for the errors."""
        assert self._process.stdin
        assert self._process.stdout
        started = time.monotonic()
        with self._killed_when_late():
            # It may die before it has read everything; the exit code below is the better message.
            with suppress(BrokenPipeError):
                self._process.stdin.write(request)
                self._process.stdin.flush()
            for line in self._process.stdout:
                [(kind, content)] = json.loads(line).items()
                if kind == "report":
                    selector.report(content)
                elif kind == "selection":
                    return EngineSelection(**content)
                elif kind == "crash":
                    raise SelectionProcessError(content)
                else:  # the name of an error class: raise the same class here, so that exit codes stay
                    raise getattr(stackkit.api, kind, ExtractionError)(content)
        code = self._process.wait()
        late = time.monotonic() - started >= _LIMIT_S
        how = f"took more than {_LIMIT_S} s" if late else f"ended with exit code {code}"
        raise SelectionProcessError(f"{selector.definition.name}: setting up an engine {how}")

    @contextmanager
    def _killed_when_late(self) -> Iterator[None]:
        # A timer and not a timeout of `wait`: this process is blocked reading lines.
        timer = threading.Timer(_LIMIT_S, self._kill)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def end(self) -> None:
        """Kill it with all its children, and close the pipes to it."""
        self._kill()
        for pipe in (self._process.stdin, self._process.stdout):
            # Closing writes what is left of a request, for which there is no reader any more.
            with suppress(BrokenPipeError):
                if pipe:
                    pipe.close()

    def _kill(self) -> None:
        if hasattr(os, "killpg"):
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.kill()
        self._process.wait()


def serve(threads: int) -> None:
    """Be the other process: read requests from stdin, write answers as lines of JSON to stdout."""
    # Windows has no sessions, so Ctrl-C arrives here too; it is for the parent process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Libraries print to stdout, also from C++. Answers go to a copy of it, everything else to stderr.
    kept = os.dup(1)
    os.dup2(2, 1)
    with os.fdopen(kept, "w", encoding="utf-8") as answers:
        try:
            _import_early(threads)
            gc.freeze()  # of hundreds of thousands of objects none will be garbage
            while True:
                _select(sys.stdin.buffer, answers)
                gc.collect()  # a network holds itself by cycles
        except (EOFError, BrokenPipeError):
            os._exit(1)  # the parent process has ended


def _import_early(threads: int) -> None:
    from stackkit_plugins.shared.keras_network.runtime import import_keras

    # An error is raised again, and reported, with the first request.
    with suppress(Exception), _without(_UNNEEDED):
        import_keras(threads=threads)


@contextmanager
def _without(packages: tuple[str, ...]) -> Iterator[None]:
    """Let imports of these packages fail, as if they were not installed."""
    blocked = {name: None for name in packages if name not in sys.modules}
    sys.modules.update(blocked)  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in blocked:
            sys.modules.pop(name, None)


def _select(source: IO[bytes], answers: IO[str]) -> None:
    def answer(kind: str, content: Any) -> None:
        answers.write(json.dumps({kind: content}) + "\n")
        answers.flush()

    definition, cache, count, images = pickle.load(source)  # noqa: S301 - from the parent process
    selector = EngineSelector(
        definition=definition,
        cache=cache,
        network=functools.cache(definition.build),
        report=lambda line: answer("report", line),
        images=count,
    )
    try:
        selection = selector.select(images)
    except StackkitError as error:
        answer(type(error).__name__, str(error))
    except BrokenPipeError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        answer("crash", f"{definition.name}: setting up an engine failed ({reason})")
    else:
        answer("selection", asdict(selection))
