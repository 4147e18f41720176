"""A trial in a process of its own.

It has TensorFlow and every engine in memory at once, and an engine may end the process on a
network that it does not bear: neither is to reach the process that extracts.
"""

from __future__ import annotations

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
from stackkit_plugins.keras_network.cache import EngineCache, Trial

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from stackkit_plugins.keras_network.backbone import KerasBackbone


_LIMIT_S = 1800
"""When a trial that does not end is ended; it takes a minute or two, ten with the largest."""


class TrialLostError(ExtractionError):
    """The process of a trial ended without an answer."""


def settle_apart(
    backbone: KerasBackbone, probe: NDArray[np.uint8], tell: Callable[[str], None]
) -> Trial:
    """What `Trials.settle` finds, in another process; what is told there is told here.

    Raises the StackkitError that was raised there, and TrialLostError if there was no answer in time.
    """
    found: Trial | None = None
    started = time.monotonic()
    work = pickle.dumps((backbone, probe))
    # -P: the user's current folder is no place to import from.
    command = [sys.executable, "-P", "-c", f"from {__name__} import serve; serve()"]
    cache = backbone.trials(tell).cache
    with _ended_with_us(command, cache) as process:
        assert process.stdin
        assert process.stdout
        with suppress(BrokenPipeError), process.stdin:
            process.stdin.write(work)
        for line in process.stdout:
            [(kind, content)] = json.loads(line).items()
            if kind == "tell":
                tell(content)
            elif kind == "trial":
                found = Trial(**content)
            elif kind == "lost":
                raise TrialLostError(content)
            else:
                raise getattr(stackkit.api, kind, ExtractionError)(content)
        if found is None:
            process.wait()
            late = time.monotonic() - started >= _LIMIT_S
            how = f"took more than {_LIMIT_S} s" if late else f"ended with {process.returncode}"
            raise TrialLostError(f"{backbone.name}: the trial of engines {how}")
    return found


@contextmanager
def _ended_with_us(command: Sequence[str], cache: EngineCache) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a session of its own, so that Ctrl-C is for us alone, and we end all it started.

    It is ended, too, when its time is over.
    """
    with subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        timer = threading.Timer(_LIMIT_S, _end, [process])
        timer.daemon = True
        timer.start()
        try:
            yield process
        except BaseException:
            _end(process)
            cache.sweep()
            raise
        finally:
            timer.cancel()


def _end(process: subprocess.Popen[bytes]) -> None:
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def serve() -> None:
    """The other half: read the work from stdin, answer in lines of JSON on stdout."""
    # Ctrl-C is for the process that asked, also where a session of its own does not keep it away.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    kept = os.dup(1)
    os.dup2(2, 1)  # what libraries print is no answer
    with os.fdopen(kept, "w", encoding="utf-8") as answers:
        try:
            _settle(sys.stdin.buffer, answers)
        except BrokenPipeError:
            os._exit(1)  # whoever asked has gone


def _settle(source: IO[bytes], answers: IO[str]) -> None:
    def say(kind: str, content: Any) -> None:
        answers.write(json.dumps({kind: content}) + "\n")
        answers.flush()

    backbone, probe = pickle.load(source)  # noqa: S301 - what our own other half wrote
    try:
        trial = backbone.trials(lambda line: say("tell", line)).settle(probe)
    except StackkitError as error:
        say(type(error).__name__, str(error))
    except BrokenPipeError:
        raise
    except Exception as error:
        say("lost", f"{backbone.name}: the trial of engines failed ({type(error).__name__}: {error})")
    else:
        say("trial", asdict(trial))
