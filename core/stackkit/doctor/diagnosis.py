"""Try a library in a process of its own, where it may crash, hang or print as it likes."""

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

LIMIT_S = 90.0
"""TensorFlow takes 5 s to import on a good day, and a minute from a slow network disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What a callable told, or in `error` why it told nothing."""

    text: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    error: str = ""

    @property
    def name(self) -> str:
        """What was tried, in a word or two."""
        return self.text.rpartition(":")[2].replace("_", " ")


def diagnose(
    texts: Sequence[str], limit_s: float = LIMIT_S, environ: Mapping[str, str] = os.environ
) -> dict[str, Diagnosis]:
    """Call each "package.module:callable" in a process of its own, two at a time."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        return dict(
            zip(texts, pool.map(lambda text: _diagnosis(text, limit_s, environ), texts), strict=True)
        )


def _diagnosis(text: str, limit_s: float, environ: Mapping[str, str]) -> Diagnosis:
    try:
        done = subprocess.run(  # noqa: S603 - our own interpreter
            # -P: the user's current folder is no place to import from, unless it is one here already.
            [sys.executable, "-P", "-m", "stackkit.doctor.child", text],
            env={**environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Diagnosis(text=text, error=f"no answer within {limit_s:g} s")
    except (OSError, ValueError) as error:
        return Diagnosis(text=text, error=f"no process can be started: {error}")
    try:
        return Diagnosis(text=text, **json.loads(done.stdout))
    except (ValueError, TypeError):
        return Diagnosis(text=text, error=f"{_end(done.returncode)}{_last_line(done.stderr)}")


def _end(code: int) -> str:
    if code >= 0:
        return f"its process ended with exit code {code}"
    try:
        return f"its process died of {signal.Signals(-code).name}"
    except ValueError:
        return f"its process died of signal {-code}"


def _last_line(printed: bytes) -> str:
    lines = printed.decode(errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f": {last[:300]}" if last else ""
