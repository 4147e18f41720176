"""What trials of engines found on this machine, and the networks they converted.

A folder below `stackkit.api.engines_dir()` per backbone revision; it may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from stackkit.api import engines_dir
from stackkit_plugins.keras_network.engines import CONVERTED, engine_version
from stackkit_plugins.keras_network.options import Running

_FORMAT = 1
_TRIALS = "trials.json"
_CONVERTING = ".converting-"
_LONG_AGO_S = 3600.0


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
        except (KeyError, TypeError):
            return None
        return trial if self._is_sound(trial) else None

    def remember(self, running: Running, trial: Trial) -> None:
        """Keep what a trial found; raises OSError if the folder cannot be written."""
        trials = {**self._trials(), _situation(running): asdict(trial)}
        self.folder.mkdir(parents=True, exist_ok=True)
        aside = self.folder / f".{_TRIALS}.{os.getpid()}"
        aside.write_text(json.dumps(trials, indent=2), encoding="utf-8")
        aside.replace(self.folder / _TRIALS)

    def vouched_for(self, engine: str) -> dict[str, str] | None:
        """Files of an engine's converted network that a trial in other settings used; None if not."""
        for found in self._trials().values():
            with suppress(TypeError):
                trial = Trial(**found)
                if trial.engine == engine and self._is_sound(trial):
                    return trial.files
        return None

    @contextmanager
    def converting(self) -> Iterator[Path]:
        """An empty folder to convert a network in, on the disk of its place; raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for left in self.folder.glob(f"{_CONVERTING}*"):  # by a process that was killed
            with suppress(OSError):
                if time.time() - left.stat().st_mtime > _LONG_AGO_S:
                    shutil.rmtree(left)
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=_CONVERTING) as scratch:
            yield Path(scratch)

    def adopt(self, engine: str, made: Path) -> dict[str, str]:
        """Put a converted network in its place; the SHA-256 of the files that are there then."""
        place = self.converted(engine)
        # What is there is of no known trial: it may be cut short or of another machine.
        shutil.rmtree(place, ignore_errors=True)
        with suppress(OSError):  # another process was faster
            made.rename(place)
        return {file.name: _sha256(file) for file in sorted(place.iterdir())}

    def _is_sound(self, trial: Trial) -> bool:
        folder = self.converted(trial.engine)
        try:
            return all(_sha256(folder / name) == digest for name, digest in trial.files.items())
        except OSError:
            return False

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
