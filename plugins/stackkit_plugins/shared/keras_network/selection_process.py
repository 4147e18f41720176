"""Select an engine in a process of its own.

A selection has TensorFlow and every engine in memory at once, and an engine may crash on a network
that it does not support. Neither must affect the process that extracts features.
"""

from __future__ import annotations

import functools
import json
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import IO, TYPE_CHECKING, Any

import stackkit.api
from stackkit.api import ExtractionError, StackkitError
from stackkit_plugins.shared.keras_network.engine_cache import EngineCache, EngineSelection
from stackkit_plugins.shared.keras_network.network import NetworkDefinition
from stackkit_plugins.shared.keras_network.selection import EngineSelector

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


_LIMIT_S = 1800
"""Time limit; a selection takes a minute or two, and ten minutes for the largest networks."""


class SelectionProcessError(ExtractionError):
    """The process ended without an answer."""


def select_in_process(
    definition: NetworkDefinition,
    cache: EngineCache,
    images: NDArray[np.uint8],
    report: Callable[[str], None],
) -> EngineSelection:
    """Run `EngineSelector.select` in another process.

    Parameters
    ----------
    definition : NetworkDefinition
        The backbone's network and run settings.
    cache : EngineCache
        Where the selection and the converted network are kept.
    images : ndarray of shape (n, size, size, 3), uint8
        Sample images.
    report : callable
        Called in this process with every line that the other process reports.

    Raises
    ------
    StackkitError
        The error that was raised in the other process.
    SelectionProcessError
        If the other process crashed or exceeded the time limit.

    """
    selection: EngineSelection | None = None
    started = time.monotonic()
    # Pickle carries functions by name, so the other process builds the network with the same code.
    request = pickle.dumps((definition, cache, images))
    # -P: nothing is imported from the current folder, which is the user's.
    command = [sys.executable, "-P", "-c", f"from {__name__} import serve; serve()"]
    with _killed_on_exit(command, cache) as process:
        assert process.stdin
        assert process.stdout
        # It may die before it has read everything; the exit code below is the better message.
        with suppress(BrokenPipeError), process.stdin:
            process.stdin.write(request)
        for line in process.stdout:
            [(kind, content)] = json.loads(line).items()
            if kind == "report":
                report(content)
            elif kind == "selection":
                selection = EngineSelection(**content)
            elif kind == "crash":
                raise SelectionProcessError(content)
            else:  # the name of an error class: raise the same class here, so that exit codes stay
                raise getattr(stackkit.api, kind, ExtractionError)(content)
        if selection is None:
            process.wait()
            late = time.monotonic() - started >= _LIMIT_S
            how = (
                f"took more than {_LIMIT_S} s" if late else f"ended with exit code {process.returncode}"
            )
            raise SelectionProcessError(f"{definition.name}: the benchmark of engines {how}")
    return selection


@contextmanager
def _killed_on_exit(command: Sequence[str], cache: EngineCache) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process, and kill it with all its children on an error, Ctrl-C or the time limit."""
    # A session of its own makes it the leader of a process group, which can be killed as a whole: it
    # may have started a converter. It also keeps the terminal's Ctrl-C away from it, which only this
    # process should handle.
    with subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        # A timer and not a timeout of `wait`: this process is blocked reading lines.
        timer = threading.Timer(_LIMIT_S, _kill, [process])
        timer.daemon = True
        timer.start()
        try:
            yield process
        except BaseException:
            _kill(process)
            cache.sweep()  # its half-converted network is left behind
            raise
        finally:
            timer.cancel()


def _kill(process: subprocess.Popen[bytes]) -> None:
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def serve() -> None:
    """Be the other process: read the request from stdin, write answers as lines of JSON to stdout."""
    # Windows has no sessions, so Ctrl-C arrives here too; it is for the parent process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Libraries print to stdout, also from C++. Answers go to a copy of it, everything else to stderr.
    kept = os.dup(1)
    os.dup2(2, 1)
    with os.fdopen(kept, "w", encoding="utf-8") as answers:
        try:
            _select(sys.stdin.buffer, answers)
        except BrokenPipeError:
            os._exit(1)  # the parent process has ended


def _select(source: IO[bytes], answers: IO[str]) -> None:
    def answer(kind: str, content: Any) -> None:
        answers.write(json.dumps({kind: content}) + "\n")
        answers.flush()

    definition, cache, images = pickle.load(source)  # noqa: S301 - written by the parent process
    selector = EngineSelector(
        definition=definition,
        cache=cache,
        network=functools.cache(definition.build),
        report=lambda line: answer("report", line),
    )
    try:
        selection = selector.select(images)
    except StackkitError as error:
        answer(type(error).__name__, str(error))
    except BrokenPipeError:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        answer("crash", f"{definition.name}: the benchmark of engines failed ({reason})")
    else:
        answer("selection", asdict(selection))
