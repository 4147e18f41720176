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
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import date
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Any

from stackkit.api import engines_dir
from stackkit_plugins.keras_network.engines import CONVERTED, engine_version
from stackkit_plugins.keras_network.options import Running

_FORMAT = 1
_TRIALS = "trials.json"
_CONVERTING = ".converting-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a trial found fastest: its rate with all, and how far its features are from TensorFlow's.

    `difference` is the largest over the probe's rows, relative to a row's norm; 0 for TensorFlow
    itself. `folder` is where the converted network lies, `files` the SHA-256 of all its files.
    """

    engine: str
    device: str
    batch_size: int
    images_per_s: float | None = None
    difference: float = 0.0
    folder: str = ""
    files: dict[str, str] = field(default_factory=dict)
    made: str = field(default_factory=lambda: date.today().isoformat())


class EngineCache:
    """Trials and converted networks of one backbone revision."""

    def __init__(self, name: str, revision: str) -> None:
        versions = [version(package) for package in ("tensorflow", "keras")]
        content = json.dumps([_FORMAT, name, revision, *versions])
        digest = hashlib.sha256(content.encode()).hexdigest()[:12]
        self.folder = engines_dir() / f"{name}-{digest}"

    def recall(self, running: Running) -> Trial | None:
        """What was found on this very machine for these settings; None if its files are not sound."""
        return self._sound(self._trials().get(_situation(running)))

    def remember(self, running: Running, trial: Trial) -> None:
        """Keep what a trial found; raises OSError if the folder cannot be written."""
        trials = {**self._trials(), _situation(running): asdict(trial)}
        self.folder.mkdir(parents=True, exist_ok=True)
        aside = self.folder / f".{_TRIALS}.{os.getpid()}"
        aside.write_text(json.dumps(trials, indent=2), encoding="utf-8")
        aside.replace(self.folder / _TRIALS)

    def vouched_for(self, engine: str) -> Trial | None:
        """A trial in other settings that used an engine's converted network, which is still sound."""
        trials = map(self._sound, self._trials().values())
        return next((trial for trial in trials if trial and trial.engine == engine), None)

    @contextmanager
    def converting(self) -> Iterator[Path]:
        """An empty folder to convert a network in, on the disk of its place; raises OSError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.sweep()
        prefix = f"{_CONVERTING}{os.getpid()}-"
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=prefix) as scratch:
            yield Path(scratch)

    def sweep(self) -> None:
        """Remove what processes that were killed left half converted."""
        for left in self.folder.glob(f"{_CONVERTING}*"):
            if not _is_alive(int(left.name.removeprefix(_CONVERTING).split("-")[0])):
                shutil.rmtree(left, ignore_errors=True)

    def adopt(self, engine: str, made: Path) -> tuple[str, dict[str, str]]:
        """Put a converted network in its place; name of the folder, and SHA-256 of its files.

        The name tells the content, so that no process ever replaces what another one loads.
        """
        files = _files(made)
        content = hashlib.sha256(json.dumps(files).encode()).hexdigest()[:12]
        name = f"{engine}-{engine_version(engine)}-{content}"
        place = self.folder / name
        if _files(place) != files:  # what is there was cut short or changed: nobody can load it
            shutil.rmtree(place, ignore_errors=True)
            with suppress(OSError):  # another process was faster, with the same
                made.rename(place)
        return name, files

    def drop(self, trial: Trial) -> None:
        """Remove a converted network that lost a trial, unless another trial chose it."""
        if trial.folder and not self.vouched_for(trial.engine):
            shutil.rmtree(self.folder / trial.folder, ignore_errors=True)

    def _sound(self, found: Any) -> Trial | None:
        try:
            trial = Trial(**found)
            known = trial.engine in {"tensorflow", *CONVERTED} and trial.batch_size >= 1
            folder = self.folder / trial.folder
            whole = all(_sha256(folder / name) == digest for name, digest in trial.files.items())
        except (OSError, TypeError, AttributeError):
            return None
        return trial if known and whole else None

    def _trials(self) -> dict[str, Any]:
        try:
            found = json.loads((self.folder / _TRIALS).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def _files(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a folder, by name; of none if there is no such folder."""
    return {file.name: _sha256(file) for file in sorted(folder.glob("*"))}


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
        [device for device in ("/dev/nvidiactl", "/dev/kfd") if Path(device).exists()],
        [os.environ.get(name) for name in ("CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH")],
        sorted({d.name for d in distributions() if d.name.startswith(("nvidia-", "tensorflow-metal"))}),
    ]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # somebody else's
        return True
    return True


def _processor() -> str:
    with suppress(OSError):
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        if found := re.search(r"^model name\s*:\s*(.*)$", text, re.MULTILINE):
            return found[1]
    return platform.processor()
