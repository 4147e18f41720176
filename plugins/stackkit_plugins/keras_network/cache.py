"""What trials of engines found on this machine, and the networks they converted.

A folder below `stackkit.api.engines_dir()` per backbone revision; it may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from stackkit.api import engines_dir
from stackkit_plugins.keras_network.engines import CONVERTED, engine_version
from stackkit_plugins.keras_network.options import Running

_FORMAT = 1
_TRIALS = "trials.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a trial found fastest: its rate with all, and how far its features are from TensorFlow's.

    `difference` is the largest over the probe's rows, relative to a row's norm; 0 for TensorFlow
    itself. `files` holds the SHA-256 of every file of the converted network.
    """

    engine: str
    device: str
    batch_size: int
    images_per_s: float | None = None
    difference: float = 0.0
    files: dict[str, str] = field(default_factory=dict)


class EngineCache:
    """Trials and converted networks of one backbone revision."""

    def __init__(self, name: str, revision: str) -> None:
        versions = [version(package) for package in ("tensorflow", "keras")]
        content = json.dumps([_FORMAT, name, revision, *versions])
        digest = hashlib.sha256(content.encode()).hexdigest()[:12]
        self.folder = engines_dir() / f"{name}-{digest}"

    def converted(self, engine: str) -> Path:
        """Folder of an engine's converted network."""
        return self.folder / f"{engine}-{engine_version(engine)}"

    def recall(self, running: Running) -> Trial | None:
        """What was found on this very machine for these settings; None if its files are not sound."""
        try:
            trial = Trial(**self._trials()[_situation(running)])
            folder = self.converted(trial.engine)
            sound = all(_sha256(folder / name) == digest for name, digest in trial.files.items())
        except (OSError, KeyError, TypeError):
            return None
        return trial if sound else None

    def remember(self, running: Running, trial: Trial) -> None:
        """Keep what a trial found; raises OSError if the folder cannot be written."""
        trials = {**self._trials(), _situation(running): asdict(trial)}
        self.folder.mkdir(parents=True, exist_ok=True)
        aside = self.folder / f".{_TRIALS}.{os.getpid()}"
        aside.write_text(json.dumps(trials, indent=2), encoding="utf-8")
        aside.replace(self.folder / _TRIALS)

    def adopt(self, engine: str, made: Path) -> dict[str, str]:
        """Move a converted network to its place, if there is none; the SHA-256 of its files."""
        place = self.converted(engine)
        with suppress(OSError):  # another process was faster, or it stood there already
            made.rename(place)
        return {file.name: _sha256(file) for file in sorted(place.iterdir())}

    def _trials(self) -> dict[str, Any]:
        try:
            found = json.loads((self.folder / _TRIALS).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _situation(running: Running) -> str:
    """Everything but the network that a trial's outcome depends on, as text."""
    engines = {name: engine_version(name) for name in CONVERTED}
    return json.dumps([asdict(running), engines, *_machine()], sort_keys=True)


def _machine() -> list[object]:
    affinity = getattr(os, "sched_getaffinity", None)
    return [
        platform.node(),
        platform.machine(),
        _processor(),
        len(affinity(0)) if affinity else os.cpu_count(),
        Path("/dev/nvidiactl").exists(),
        os.environ.get("CUDA_VISIBLE_DEVICES"),
    ]


def _processor() -> str:
    with suppress(OSError):
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        if found := re.search(r"^model name\s*:\s*(.*)$", text, re.MULTILINE):
            return found[1]
    return platform.processor()
