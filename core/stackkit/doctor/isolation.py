"""Call something in a separate process, where it may crash, hang or print."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from stackkit.api.errors import one_line
from stackkit.api.specs import load_text

LIMIT_S = 90.0
"""TensorFlow takes 5 s to import, and up to a minute from a slow network disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """The facts that a callable returned, or in `error` why it returned none."""

    facts: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""


def diagnose(texts: Sequence[str], limit_s: float, environ: Mapping[str, str]) -> dict[str, Diagnosis]:
    """Call each "package.module:callable" in a separate process, two at a time."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        found = pool.map(lambda text: _diagnosis(text, limit_s, environ), texts)
        return dict(zip(texts, found, strict=True))


def _diagnosis(text: str, limit_s: float, environ: Mapping[str, str]) -> Diagnosis:
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter
            # -P: do not import from the current folder, unless this process does so too.
            [sys.executable, "-P", "-c", f"from {__name__} import answer; answer()", text],
            env={**environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Diagnosis(error=f"no answer within {limit_s:g} s")
    except (OSError, ValueError) as error:
        return Diagnosis(error=f"cannot start a process: {error}")
    try:
        return Diagnosis(**json.loads(done.stdout))
    except (ValueError, TypeError):  # the process ended before it could answer
        last = done.stderr.decode(errors="replace").strip().rpartition("\n")[2][:300]
        return Diagnosis(error=f"{_end(done.returncode)}: {last}".removesuffix(": "))


def _end(code: int) -> str:
    if code >= 0:
        return f"its process ended with exit code {code}"
    names = {each.value: each.name for each in signal.Signals}
    return f"its process was killed by {names.get(-code, f'signal {-code}')}"


def answer() -> None:
    """Call what argv[1] names; write the facts or the error as JSON to stdout, and nothing else."""
    stdout = os.dup(1)
    os.dup2(2, 1)  # frameworks print, from Python and from C
    try:
        found: dict[str, Any] = {"facts": dict(load_text(sys.argv[1])())}
    except BaseException as error:  # also SystemExit: this process ends anyway
        found = {"error": one_line(error)}
    os.write(stdout, json.dumps(found, default=str).encode())
    os._exit(0)  # a regular exit would run the shutdown of a broken library, which may hang or crash
